/** Tool calls of a session: opened, closed in one of four ways, and counted. */
import { type Call, dropWaits, forgetOldest, type Outcome, type Session, type Tool } from "./state.ts";
import type { Step } from "./step.ts";

/** The open ones are never forgotten for one that is closed. */
const MAX_CALLS = 200;
const MAX_DURATIONS = 200;
const MAX_TOOLS = 200;
const MAX_FILES = 500;

export const EDIT_TOOLS = new Set(["Edit", "MultiEdit", "Write", "NotebookEdit"]);

export function openCall(session: Session, step: Step, toolUseId: string, tool: string): Call {
  const call: Call = {
    toolUseId,
    tool,
    agentId: step.agentId,
    startedAt: step.time,
    input: step.input,
    argument: step.argument,
    subagentType: step.subagentType,
    path: step.path,
    outcome: null,
  };
  session.calls.set(toolUseId, call);
  count(session, tool);
  forgetOldest(session.calls, MAX_CALLS, ({ outcome }) => outcome !== null);
  return call;
}

/** Closes a call, or corrects how it was said to have ended: what the call itself tells is the truth of it. */
export function closeCall(
  session: Session,
  call: Call,
  outcome: Outcome,
  durationMs: number | null = null,
): void {
  if (call.outcome === "success" || call.outcome === "failure") return;
  const tool = session.tools.get(call.tool);
  if (tool) {
    tally(tool, call.outcome, -1);
    tally(tool, outcome, 1);
    if (durationMs !== null && (outcome === "success" || outcome === "failure"))
      addDuration(tool, durationMs);
  }
  call.outcome = outcome;
  dropWaits(session, ({ toolUseId }) => toolUseId === call.toolUseId);
}

/** Nothing more will be heard of these calls: what was asked has been refused. */
export function abandonCalls(session: Session, agentId: string | null): void {
  const asked = new Set(session.waits.map(({ toolUseId }) => toolUseId));
  for (const call of openCalls(session, agentId)) {
    closeCall(session, call, asked.has(call.toolUseId) ? "denied" : "unfinished");
  }
}

export function openCalls(session: Session, agentId?: string | null): Call[] {
  return [...session.calls.values()].filter(
    (call) => call.outcome === null && (agentId === undefined || call.agentId === agentId),
  );
}

/**
 * The newest open call of the agent with this tool and input that nobody has been asked about yet. A hook of the user's
 * may have changed the input: then the only one with this tool.
 */
export function callAskedAbout(
  session: Session,
  { agentId, tool, input, toolUseId }: Step,
): Call | undefined {
  if (toolUseId !== null) return session.calls.get(toolUseId);
  const asked = new Set(session.waits.map((wait) => wait.toolUseId));
  const sameTool = openCalls(session, agentId).filter((call) => call.tool === tool);
  const fitting = sameTool.filter((call) => call.input === input);
  const unasked = sameTool.filter((call) => !asked.has(call.toolUseId));
  const only = unasked.length === 1 ? unasked[0] : undefined;
  return fitting.findLast((call) => !asked.has(call.toolUseId)) ?? fitting.at(-1) ?? only;
}

export function count(session: Session, tool: string): void {
  toolOf(session, tool).calls += 1;
}

export function touchFile(session: Session, path: string, tool: string): void {
  const isEdit = EDIT_TOOLS.has(tool);
  if (!isEdit && tool !== "Read") return;
  const file = session.files.get(path) ?? { reads: 0, edits: 0 };
  if (isEdit) file.edits += 1;
  else file.reads += 1;
  // Written anew, so that the map's order is that of the latest touch.
  session.files.delete(path);
  session.files.set(path, file);
  forgetOldest(session.files, MAX_FILES, () => true);
}

function toolOf(session: Session, name: string): Tool {
  const known = session.tools.get(name);
  if (known) return known;
  const tool: Tool = { calls: 0, failures: 0, denied: 0, unfinished: 0, totalMs: 0, durations: [] };
  session.tools.set(name, tool);
  forgetOldest(session.tools, MAX_TOOLS, () => true);
  return tool;
}

function tally(tool: Tool, outcome: Outcome | null, by: 1 | -1): void {
  if (outcome === "failure") tool.failures += by;
  else if (outcome === "denied") tool.denied += by;
  else if (outcome === "unfinished") tool.unfinished += by;
}

function addDuration(tool: Tool, durationMs: number): void {
  tool.totalMs += durationMs;
  tool.durations.push(durationMs);
  if (tool.durations.length > MAX_DURATIONS) tool.durations.shift();
}
