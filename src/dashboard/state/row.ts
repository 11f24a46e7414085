/** An event as the lists keep it: what is shown and asked for, and nothing of its weight. */
import { indexEvent, type JsonObject } from "../../protocol/event.ts";
import type { HistoryGap } from "../../protocol/messages.ts";
import { gapWords } from "../parts/words.ts";
import { kept } from "../../sessions/kept.ts";
import { readStep, type Step } from "../../sessions/step.ts";
import { summarise } from "../../sessions/summary.ts";
import { visible } from "../parts/text.ts";

/** What few steps have, and the state machine of a session looks at; without texts that it only tells. */
type RareParts = Pick<
  Step,
  "subagentType" | "interrupted" | "child" | "background" | "report" | "detail" | "message"
>;

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
  /** Of what the call was given, to tell it from others; 0 where there is nothing. */
  inputHash: number;
  promptId: string | null;
  /** The calls of a batch: each one's id, and then its tool. */
  batch: readonly string[];
  /** Null where there is none of it. */
  rare: RareParts | null;
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
    row.toolUseId = sharedId(step.toolUseId);
    row.path = shared(step.path);
    row.durationMs = step.durationMs;
    row.inputHash = hashOf(step.input);
    row.promptId = shared(step.promptId);
    row.batch = batchOf(step);
    row.rare = rarePartsOf(step);
    row.text = visible(kept(text, MAX_TEXT_CHARS));
    row.suffix = visible(kept(suffix, MAX_TEXT_CHARS));
    row.failed = failed;
  } catch {
    // Nested deeper than the stack is.
    row.text = "an event too deep to be summed up";
  }
  return row;
}

/** The step of a session again, as far as it decides what becomes of calls and agents. */
export function stepOf(row: Row): Step {
  const { name, time, project, agentId, agentType, toolUseId, tool, path, durationMs, promptId } = row;
  return {
    name,
    time,
    project,
    source: null,
    agentId,
    agentType,
    toolUseId,
    tool,
    input: row.inputHash === 0 ? "" : `${row.inputHash}`,
    argument: "",
    path,
    durationMs,
    batch: row.batch.length === 0 ? [] : callsOf(row.batch),
    prompt: "",
    promptId,
    isFailure: false,
    ...(row.rare ?? NOTHING_RARE),
  };
}

/** A flat list: of all that is kept for the state machine, batches would be the largest part. */
function batchOf({ batch }: Step): readonly string[] {
  if (batch.length === 0) return NO_BATCH;
  return batch.flatMap(({ toolUseId, tool }) => [sharedId(toolUseId), shared(tool)]);
}

function callsOf(batch: readonly string[]): Step["batch"] {
  return Array.from({ length: batch.length / 2 }, (_, index) => {
    return { toolUseId: batch[2 * index] ?? "", tool: batch[2 * index + 1] ?? "" };
  });
}

/** A number takes an eighth of the text it is made from, and 53 bits tell the few calls apart that are open at once. */
function hashOf(input: string): number {
  if (input === "") return 0;
  const [a = "", b = ""] = input.split(".");
  return Number.parseInt(a, 36) * 2 ** 21 + (Number.parseInt(b, 36) % 2 ** 21) + 1;
}

const NOTHING_RARE: RareParts = {
  subagentType: null,
  interrupted: false,
  child: null,
  background: null,
  report: null,
  detail: "",
  message: "",
};

function rarePartsOf(step: Step): RareParts | null {
  const { name, subagentType, interrupted, child, background, report, detail } = step;
  // Notifications of older releases have no type, and are told apart by what they say.
  const message = name === "notification" && detail === "" ? step.message : "";
  const isRare = subagentType !== null || interrupted || child !== null || background !== null;
  if (!isRare && report === null && detail === "" && message === "") return null;
  return {
    subagentType: shared(subagentType),
    interrupted,
    child,
    background,
    report: report && { ...report, summary: "" },
    detail: shared(detail),
    message: shared(message),
  };
}

export function gapRow(gap: HistoryGap): Row {
  const now = Date.now();
  // Between what came before it and what comes after, whichever events it stands for.
  const seq = (gap.reason === "unknown_epoch" ? 1 : gap.from_seq) - 0.5;
  return { ...NOTHING, seq, receivedAt: now, time: now, text: gapWords(gap), gap };
}

const NO_BATCH: readonly string[] = [];

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
  inputHash: 0,
  promptId: null,
  batch: NO_BATCH,
  rare: null,
  text: "",
  suffix: "",
  failed: false,
  gap: null,
};

/** The same few names come with every event, each time as a string of its own: of 100,000 rows that made 30 MB. */
const shared = sharing(5000);
/** A call's id comes three times within a short time: with its beginning, its end and its batch. */
const sharedId = sharing(500);

function sharing(most: number): <T extends string | null>(name: T) => T {
  const names = new Map<string, string>();
  return <T extends string | null>(name: T): T => {
    if (name === null || name.length > MAX_TEXT_CHARS) return name;
    const known = names.get(name);
    if (known !== undefined) return known as T;
    if (names.size >= most) names.clear();
    names.set(name, name);
    return name;
  };
}
