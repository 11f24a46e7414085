/** The only way to the terminal: text to stdout, diagnostics to stderr, JSON where it is asked for. */
import { writeSync } from "node:fs";
import { processEnv } from "../config/env.ts";
import { harmlessJson } from "./terminal-text.ts";

/** A failure people are told of: one line what failed, one line what to do next. */
export class CommandError extends Error {
  readonly exitCode: number;
  readonly hint: string;

  constructor(message: string, hint: string, exitCode = 1) {
    super(message);
    this.name = "CommandError";
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

export const EXIT = { done: 0, failed: 1, usage: 2, notRunning: 3, config: 78 } as const;

/** Text for the person who asked; false when nobody reads it any more. */
export function print(text: string): boolean {
  return write(1, `${text}\n`);
}

/**
 * As `print`, for commands that go on until they are interrupted: a reader that is slow keeps nobody else waiting, so
 * that signals are heard. Resolves once the text has left the process.
 */
export function printPatiently(text: string): Promise<boolean> {
  const { stdout } = process;
  // Failures are told to each write as well; as an event that nobody takes they would end the process.
  if (stdout.listenerCount("error") === 0) stdout.on("error", () => {});
  return new Promise((resolve, reject) => {
    stdout.write(`${text}\n`, (error) => {
      if (!error) resolve(true);
      else if ("code" in error && error.code === "EPIPE") resolve(false);
      else reject(cannotWrite(error.message));
    });
  });
}

/** Diagnostics: warnings, hints, failures. */
export function printError(text: string): void {
  write(2, `${text}\n`);
}

/** The one document of a command that was asked for `--json`. */
export function printJson(document: object): void {
  print(harmlessJson(JSON.stringify({ schema: 1, ...document }, null, 2)));
}

/** Left-aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const CODES = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
  brightGreen: 92,
  brightYellow: 93,
  brightBlue: 94,
  brightMagenta: 95,
  brightCyan: 96,
} as const;

export type Style = keyof typeof CODES;

/** Colours text on a terminal, and never with `NO_COLOR` (https://no-color.org). */
export function style(text: string, name: Style): string {
  return coloured() ? `\u001B[${CODES[name]}m${text}\u001B[0m` : text;
}

/** Columns of the terminal that stdout is, as wide as it is now; Infinity where it is none. */
export function terminalColumns(): number {
  return process.stdout.isTTY === true ? process.stdout.columns || 80 : Infinity;
}

export function coloured(): boolean {
  const { NO_COLOR, TERM } = processEnv();
  return process.stdout.isTTY === true && !NO_COLOR && TERM !== "dumb";
}

/**
 * Writes it all before it returns, so that ending the process cuts nothing off. A reader that has gone away is no
 * failure; a disk that is full is.
 */
function write(descriptor: number, text: string): boolean {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === "EPIPE") return false;
      // A non-blocking pipe is full; its reader will come.
      if (code === "EAGAIN") Bun.sleepSync(1);
      else if (descriptor === 1) throw cannotWrite(message);
      else return false;
    }
  }
  return true;
}

function cannotWrite(why: string): CommandError {
  return new CommandError(`The output cannot be written: ${why}`, "Write it elsewhere");
}
