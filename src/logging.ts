/** Tagged loggers on consola (its only import), written as text or JSON lines to stderr and to a rotated file. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { type ConsolaInstance, createConsola, type LogObject } from "consola/core";

export type LogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR";
export type Fields = Record<string, string | number | boolean | null>;

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export interface Logging {
  /** A logger whose lines carry the given tag. */
  logger(tag: string): Logger;
  setLevel(level: LogLevel): void;
  /** Opens the file anew, after something else has moved it away. */
  reopen(): void;
  /** Why the file cannot be written, or null; one that somebody has moved away or removed is let go. */
  fileProblem(): string | null;
  /** To be told when lines get into the file again, or into a new one in the place of another. */
  onReopened(listener: (why: string) => void): void;
  /** Lines of the level ERROR so far, whether they are shown or not. */
  errors(): number;
  close(): void;
}

export interface LoggingOptions {
  level: LogLevel;
  format: "text" | "json";
  file: string | null;
  stderr: boolean;
  /** Takes out of a text what no log may hold. */
  mask?: (text: string) => string;
}

const CONSOLA_LEVELS: Record<LogLevel, number> = { ERROR: 0, WARNING: 1, INFO: 3, DEBUG: 4 };

/** A log file grows to 10 MiB and has four predecessors: 50 MiB at most. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const MAX_OLD_FILES = 4;

/** Of one text in a line: a stack trace is whole, a client that sends megabytes is not repeated. */
const MAX_TEXT_CHARS = 4000;

/** Opens the log; a file that cannot be opened is a problem to be told of, not a reason to stop. */
export function createLogging({
  level,
  format,
  file,
  stderr,
  mask = (text) => text,
}: LoggingOptions): Logging {
  const sink = file === null ? null : createFileSink(file, MAX_FILE_BYTES, MAX_OLD_FILES);
  const consola = createConsola({
    level: CONSOLA_LEVELS[level],
    // Consola folds repeated lines into one that this reporter would not see: a log keeps them all.
    throttle: 0,
    reporters: [
      {
        log(entry) {
          const line = (format === "json" ? jsonLine : textLine)(cleaned(entry, mask));
          sink?.write(line);
          if (stderr) writeQuietly(2, line);
        },
      },
    ],
  });
  let errors = 0;
  // A tagged instance copies the level when it is made, so that a change has to reach each of them.
  const instances: ConsolaInstance[] = [];

  return {
    logger(tag) {
      const tagged = consola.withTag(tag);
      instances.push(tagged);
      return {
        debug: (message, fields = {}) => tagged.debug(message, fields),
        info: (message, fields = {}) => tagged.info(message, fields),
        warn: (message, fields = {}) => tagged.warn(message, fields),
        error(message, fields = {}) {
          errors += 1;
          tagged.error(message, fields);
        },
      };
    },
    setLevel(next) {
      for (const instance of [consola, ...instances]) instance.level = CONSOLA_LEVELS[next];
    },
    reopen: () => sink?.reopen(),
    fileProblem: () => sink?.problem() ?? null,
    onReopened: (listener) => sink?.onReopened(listener),
    errors: () => errors,
    close: () => sink?.close(),
  };
}

interface FileSink {
  write(line: string): void;
  reopen(): void;
  problem(): string | null;
  onReopened(listener: (why: string) => void): void;
  close(): void;
}

/**
 * Appends whole lines, each written before the call returns, so that a crash loses none. A disk that is full
 * or a directory that is gone never stops the server: the problem is kept for the health check, and every
 * further line tries again.
 */
export function createFileSink(path: string, maxBytes: number, maxOldFiles: number): FileSink {
  let descriptor: number | null = null;
  let size = 0;
  /** Whether only a part of the last line found room. */
  let isCut = false;
  let problem: string | null = null;
  let rotationProblem: string | null = null;
  /** What will have been the reason when the next line gets into the file. */
  let reopening: string | null = null;
  let onReopened: (why: string) => void = () => {};

  function open(): number {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    descriptor = openSync(path, "a", 0o600);
    size = fstatSync(descriptor).size;
    return descriptor;
  }

  function close(): void {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  }

  function rotate(): void {
    close();
    for (let number = maxOldFiles - 1; number >= 1; number -= 1) {
      try {
        renameSync(`${path}.${number}`, `${path}.${number + 1}`);
      } catch {
        // There are fewer old files than allowed.
      }
    }
    try {
      renameSync(path, `${path}.1`);
    } catch (error) {
      // A directory this user may not write to: the file grows, but no line is lost.
      rotationProblem = `it cannot be rotated: ${(error as Error).message}`;
    }
  }

  return {
    write(line) {
      try {
        const bytes = Buffer.from(isCut ? `\n${line}` : line);
        if (descriptor !== null && rotationProblem === null && size > 0 && size + bytes.length > maxBytes) {
          rotate();
        }
        const file = descriptor ?? open();
        for (let written = 0; written < bytes.length;) {
          // On a disk that becomes full a part is written, and only the next attempt fails.
          const more = writeSync(file, bytes, written);
          written += more;
          size += more;
          isCut = written < bytes.length;
        }
        problem = null;
      } catch (error) {
        problem = (error as Error).message;
        reopening = problem;
        try {
          close();
        } catch {
          descriptor = null;
        }
        return;
      }
      if (reopening === null) return;
      const why = reopening;
      reopening = null;
      onReopened(why);
    },
    reopen() {
      close();
      rotationProblem = null;
    },
    problem() {
      if (descriptor !== null && !isInPlace(descriptor, path)) {
        reopening = "it was moved away or removed";
        close();
      }
      return problem ?? rotationProblem;
    },
    onReopened: (listener) => void (onReopened = listener),
    close,
  };
}

/** What a line holds of others is limited, and nobody's secret. */
function cleaned(entry: LogObject, mask: (text: string) => string): LogObject {
  const clean = (text: string) => {
    // Masked while it is whole: half a secret is no form that is known.
    const masked = mask(text);
    const more = masked.length - MAX_TEXT_CHARS;
    return more > 0 ? `${masked.slice(0, MAX_TEXT_CHARS)}… (${more} characters more)` : masked;
  };
  const [message, fields] = entry.args as [string, Fields];
  const pairs = Object.entries(fields).map(([name, value]) => {
    return [name, typeof value === "string" ? clean(value) : value];
  });
  return { ...entry, args: [clean(message), Object.fromEntries(pairs)] };
}

/** Whether a file that is open is still the one under this path. */
function isInPlace(descriptor: number, path: string): boolean {
  const { ino, nlink } = fstatSync(descriptor, { bigint: true });
  return nlink > 0n && statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === ino;
}

function levelName(level: number): LogLevel {
  if (level <= CONSOLA_LEVELS.ERROR) return "ERROR";
  if (level <= CONSOLA_LEVELS.WARNING) return "WARNING";
  return level <= CONSOLA_LEVELS.INFO ? "INFO" : "DEBUG";
}

function textLine({ date, level, tag, args }: LogObject): string {
  const [message, fields] = args as [string, Fields];
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${quote(value)}`);
  return `${date.toISOString()} ${levelName(level).padEnd(7)} [${tag}] ${singleLine(message)}${pairs.join("")}\n`;
}

function jsonLine({ date, level, tag, args }: LogObject): string {
  const [message, fields] = args as [string, Fields];
  const own = { time: date.toISOString(), level: levelName(level), tag, message };
  // First for the reader, and last so that no field takes the place of it.
  return `${JSON.stringify({ ...own, ...fields, ...own })}\n`;
}

function quote(value: Fields[string]): string {
  const text = String(value);
  return typeof value === "string" && !/^[\w.:/@+-]+$/.test(text) ? singleLine(JSON.stringify(text)) : text;
}

/** What a client sent must not be able to forge a line of its own, nor steer the reader's terminal. */
function singleLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function writeQuietly(descriptor: number, line: string): void {
  try {
    writeSync(descriptor, line);
  } catch {
    // The terminal or pipe is gone; the server is not.
  }
}
