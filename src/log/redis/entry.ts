/** Events as entries of the stream, and back. */
import { type PendingEvent, type StoredEvent, withSeq } from "../../protocol/event.ts";
import { ENTRY_FIELDS } from "./scripts.ts";

/** An entry of the stream as its reader gets it: the id, then names and values in turn. */
export type RawEntry = [id: string, fields: string[]];

export interface Entry {
  /** `<ms>-<seq>`. */
  streamId: string;
  /** That of the epoch in which it was written. */
  ms: number;
  /** What came with it: whose it was, as `append` was given it. */
  origin: string;
  event: StoredEvent;
}

/** The values of `ENTRY_FIELDS`. */
export function encodeEvent(event: PendingEvent, origin: string): string[] {
  const { id, received_at, type, session_id, project, body } = event;
  return [id, `${received_at}`, mark(type), mark(session_id), mark(project), origin, body];
}

/** The origin of what was brought in from another log. */
export const IMPORTED = "*";

/** For an event that has been stored before. */
export function encodeStored(event: StoredEvent): string[] {
  return encodeAgain(event, "");
}

/** For an event of another log. */
export function encodeImported(event: StoredEvent): string[] {
  return encodeAgain(event, IMPORTED);
}

function encodeAgain({ seq, json, ...event }: StoredEvent, origin: string): string[] {
  return encodeEvent({ ...event, body: `{${json.slice(withSeq("{", seq).length)}` }, origin);
}

export function decodeEntry([streamId, fields]: RawEntry): Entry {
  const [ms = "", seqText = ""] = streamId.split("-");
  const seq = Number(seqText);
  const value = (name: (typeof ENTRY_FIELDS)[number]) => fields[ENTRY_FIELDS.indexOf(name) * 2 + 1] ?? "";
  return {
    streamId,
    ms: Number(ms),
    origin: value("o"),
    event: {
      seq,
      id: value("i"),
      received_at: Number(value("t")),
      type: unmark(value("y")),
      session_id: unmark(value("s")),
      project: unmark(value("p")),
      json: withSeq(value("b"), seq),
    },
  };
}

/** Redis has no null: a text gets a letter in front, nothing stays empty. */
function mark(text: string | null): string {
  return text === null ? "" : `=${text}`;
}

function unmark(text: string): string | null {
  return text === "" ? null : text.slice(1);
}
