/** Reads what a client says of itself when it connects. */
import type { ClientIdentity } from "../../hub/clients.ts";
import type { CodedError } from "../../protocol/errors.ts";
import { isObject } from "../../protocol/event.ts";
import {
  type EventFilter,
  parseResume,
  parseSubscription,
  type ResumePosition,
} from "../../protocol/query.ts";

export type Identity = Pick<ClientIdentity, "version" | "clientId">;

export interface Handshake extends Identity {
  filter: EventFilter | null;
  resume: ResumePosition | null;
  /** What was wrong with it; the client is connected all the same. */
  problems: CodedError[];
}

export function readHandshake(auth: unknown): Handshake {
  const { subscribe, resume } = isObject(auth) ? auth : {};
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
    ...readIdentity(auth),
    filter: read(parseSubscription, subscribe),
    resume: read(parseResume, resume),
    problems,
  };
}

/** The part of it that says who the client is. */
export function readIdentity(auth: unknown): Identity {
  const { claude_mpm_version, client_id } = isObject(auth) ? auth : {};
  return { version: readName(claude_mpm_version), clientId: readName(client_id) };
}

/** What of `auth` is to be kept, for `readIdentity` to read: all else may be a megabyte. */
export function identityAuth(auth: unknown): Record<string, string> {
  const { version, clientId } = readIdentity(auth);
  return {
    ...(version === undefined ? {} : { claude_mpm_version: version }),
    ...(clientId === undefined ? {} : { client_id: clientId }),
  };
}

/** The version is kept for every client and shown in /health. */
const MAX_NAME_LENGTH = 100;

function readName(name: unknown): string | undefined {
  if (name === undefined || name === null || name === "") return undefined;
  const text = typeof name === "string" ? name : JSON.stringify(name);
  // A part of a text keeps all of it in memory.
  return text.length <= MAX_NAME_LENGTH ? text : Buffer.from(text.slice(0, MAX_NAME_LENGTH)).toString();
}
