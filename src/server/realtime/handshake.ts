/** Reads what a client says of itself when it connects. */
import type { CodedError } from "../../protocol/errors.ts";
import { isObject } from "../../protocol/event.ts";
import {
  type EventFilter,
  parseResume,
  parseSubscription,
  type ResumePosition,
} from "../../protocol/query.ts";

export interface Handshake {
  /** Undefined when the client names no version. */
  version: string | undefined;
  filter: EventFilter | null;
  resume: ResumePosition | null;
  /** What was wrong with it; the client is connected all the same. */
  problems: CodedError[];
}

export function readHandshake(auth: unknown): Handshake {
  const { claude_mpm_version, subscribe, resume } = isObject(auth) ? auth : {};
  const problems: CodedError[] = [];
  const read = <T>(parse: (input: unknown) => T, input: unknown): T | null => {
    try {
      return input === undefined || input === null ? null : parse(input);
    } catch (error) {
      problems.push(error as CodedError);
      return null;
    }
  };
  return {
    version: readVersion(claude_mpm_version),
    filter: read(parseSubscription, subscribe),
    resume: read(parseResume, resume),
    problems,
  };
}

/** It is kept for every client and shown in /health. */
const MAX_VERSION_LENGTH = 100;

function readVersion(version: unknown): string | undefined {
  if (version === undefined || version === null || version === "") return undefined;
  const text = typeof version === "string" ? version : JSON.stringify(version);
  return text.slice(0, MAX_VERSION_LENGTH);
}
