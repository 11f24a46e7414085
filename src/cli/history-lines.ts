/** Histories as they are read: bytes in lines, and lines that are checked one after the other. */
import { CodedError } from "../protocol/errors.ts";
import {
  type HistoryHeader,
  isEventLine,
  readHistoryEvent,
  readHistoryHeader,
} from "../protocol/history-file.ts";
import { CommandError, EXIT } from "./output.ts";
import type { Args } from "./tree.ts";

/** The operand FILE. */
export function fileArg(description: string): Args {
  return { file: { type: "positional", description, valueHint: "FILE", required: false } };
}

/** What was given for it. */
export function fileOf({ file }: Record<string, unknown>, command: string): string {
  if (typeof file === "string" && file !== "") return file;
  throw new CommandError("The file is missing", `Write history ${command} FILE`, EXIT.usage);
}

/** The lines of some bytes, as many at a time as come; what stands behind the last end of a line is one too. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw new CommandError(`${name}, after line ${count}: it is no UTF-8`, NOT_WHOLE);
    }
  };
  let count = 0;
  // Texts of one line that has not ended yet: joined once, however many there are.
  let begun: string[] = [];
  for await (const chunk of chunks) {
    const lines = decode(chunk).split("\n");
    const last = lines.pop() as string;
    if (lines.length > 0) {
      lines[0] = begun.join("") + lines[0];
      begun = [];
      count += lines.length;
      yield lines;
    }
    begun.push(last);
  }
  const rest = begun.join("") + decode();
  if (rest !== "") yield [rest];
}

export interface HistoryCheck {
  /** Null before the first line. */
  header: HistoryHeader | null;
  /** Takes the next line; throws what is wrong with it, by its number. */
  take(line: string): void;
  /** Throws where more should have come. */
  end(): void;
}

/**
 * @param name what is read, for people
 * @param depth `whole` reads every event, `beginning` only whether it is the next one
 */
export function createHistoryCheck(name: string, depth: "whole" | "beginning"): HistoryCheck {
  let lines = 0;
  let next = 0;
  const check: HistoryCheck = {
    header: null,
    take(line) {
      lines += 1;
      try {
        if (check.header === null) {
          check.header = readHistoryHeader(line);
          next = check.header.first_seq;
          return;
        }
        if (next > check.header.last_seq) {
          throw new CodedError(
            "invalid_history",
            `it goes on behind ${check.header.last_seq}, its last event`,
          );
        }
        if (depth === "whole" || !isEventLine(line, next)) readHistoryEvent(line, next);
        next += 1;
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        throw new CommandError(`${name}, line ${lines}: ${error.message}`, NOT_WHOLE);
      }
    },
    end() {
      const { header } = check;
      if (header === null) throw new CommandError(`${name} is empty`, NOT_WHOLE);
      if (next <= header.last_seq) {
        const held = next - header.first_seq;
        const wanted = header.last_seq - header.first_seq + 1;
        throw new CommandError(
          `${name} ends after ${held} of ${wanted} events, behind line ${lines}`,
          NOT_WHOLE,
        );
      }
    },
  };
  return check;
}

const NOT_WHOLE = "Export it again: claude-mpm-socketio history export FILE";
