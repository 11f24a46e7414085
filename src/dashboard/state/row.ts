/** An event as the lists keep it: what is shown and asked for, and nothing of its weight. */
import { indexEvent, type JsonObject } from "../../protocol/event.ts";
import type { HistoryGap } from "../../protocol/messages.ts";
import { gapWords } from "../parts/words.ts";
import { kept } from "../../sessions/kept.ts";
import { readStep } from "../../sessions/step.ts";
import { summarise } from "../../sessions/summary.ts";
import { visible } from "../parts/text.ts";

export interface Row {
  seq: number;
  /** When it reached the server, and when it happened at its sender; milliseconds since the epoch. */
  receivedAt: number;
  time: number;
  type: string;
  /** The kind of step: `pre_tool_use`. */
  name: string;
  sessionId: string | null;
  project: string | null;
  /** Null is the main agent. */
  agentId: string | null;
  agentType: string | null;
  tool: string | null;
  toolUseId: string | null;
  path: string | null;
  durationMs: number | null;
  /** In a few words; harmless to show. */
  text: string;
  suffix: string;
  failed: boolean;
  /** Not an event, but the place of some that are not to be had. */
  gap: HistoryGap | null;
}

const MAX_TEXT_CHARS = 300;

/** Reads an event as the server sends it; one that nobody foresaw becomes a row all the same. */
export function rowOf(event: JsonObject): Row {
  const seq = typeof event.seq === "number" ? event.seq : 0;
  const receivedAt = Date.parse(String(event.received_at)) || Date.now();
  const { session_id: sessionId, project, type } = indexEvent(event);
  const row: Row = {
    ...NOTHING,
    seq,
    receivedAt,
    time: receivedAt,
    type: shared(type ?? ""),
    sessionId: shared(sessionId),
    project: shared(project),
  };
  try {
    const step = readStep(event, project, receivedAt);
    const { text, suffix, failed } = summarise(event);
    row.time = step.time;
    row.name = shared(step.name);
    row.agentId = shared(step.agentId);
    row.agentType = shared(step.agentType);
    row.tool = shared(step.tool);
    row.toolUseId = step.toolUseId;
    row.path = shared(step.path);
    row.durationMs = step.durationMs;
    row.text = visible(kept(text, MAX_TEXT_CHARS));
    row.suffix = visible(kept(suffix, MAX_TEXT_CHARS));
    row.failed = failed;
  } catch {
    // Nested deeper than the stack is.
    row.text = "an event too deep to be summed up";
  }
  return row;
}

export function gapRow(gap: HistoryGap): Row {
  const now = Date.now();
  // Between what came before it and what comes after, whichever events it stands for.
  const seq = (gap.reason === "unknown_epoch" ? 1 : gap.from_seq) - 0.5;
  return { ...NOTHING, seq, receivedAt: now, time: now, text: gapWords(gap), gap };
}

const NOTHING: Row = {
  seq: 0,
  receivedAt: 0,
  time: 0,
  type: "",
  name: "",
  sessionId: null,
  project: null,
  agentId: null,
  agentType: null,
  tool: null,
  toolUseId: null,
  path: null,
  durationMs: null,
  text: "",
  suffix: "",
  failed: false,
  gap: null,
};

/** The same few names come with every event, each time as a string of its own: of 100,000 rows that made 30 MB. */
const names = new Map<string, string>();
const MAX_NAMES = 5000;

function shared<T extends string | null>(name: T): T {
  if (name === null || name.length > MAX_TEXT_CHARS) return name;
  const known = names.get(name);
  if (known !== undefined) return known as T;
  if (names.size >= MAX_NAMES) names.clear();
  names.set(name, name);
  return name;
}
