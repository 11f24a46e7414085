/**
 * What a session is doing, step by step. What Claude Code's hooks mean was learnt from recordings of it; its
 * documentation (https://code.claude.com/docs/en/hooks) names them.
 *
 * - A call is closed by its PostToolUse or PostToolUseFailure, by PermissionDenied, or by its id in a PostToolBatch
 *   alone, which is how a refusal by rule looks. A person's refusal closes it by nothing: it ends with its turn.
 * - A sub-agent lives from SubagentStart to SubagentStop, and may outlive the main agent's turn.
 * - Somebody is asked from PermissionRequest on, until the call asked about, or its turn, is over.
 */
import type { SessionState } from "../protocol/messages.ts";
import {
  endEverything,
  endForeground,
  endSubagent,
  endTurn,
  failForeground,
  interrupt,
  linkChild,
  matchBackground,
  setMain,
  startWork,
  startWorkUnlessOver,
  takeReport,
} from "./agents.ts";
import { callAskedAbout, closeCall, count, openCall, touchFile } from "./calls.ts";
import { answerElicitation, ask, elicit, QUESTION_TOOL, remind } from "./questions.ts";
import { type Outcome, type Session, waitsOf } from "./state.ts";
import type { Step } from "./step.ts";

/** After so long without an event a session counts as over. */
export const SILENCE_MS = 3_600_000;

const REVIVING = new Set(["session_start", "user_prompt_submit", "pre_tool_use", "permission_request"]);
const RUNNING = /^(running|working|busy|active|thinking)$/;

/** Takes a session one step further. Steps are given in the order of their times. */
export function applyStep(session: Session, step: Step): void {
  const silentEnd = endOfSilence(session, step);
  if (silentEnd !== null) endEverything(session, silentEnd);
  session.eventCount += 1;
  session.startedAt = Math.min(session.startedAt, step.time);
  session.lastEventAt = Math.max(session.lastEventAt, step.time);
  session.project ??= step.project;
  session.source ??= step.source;
  if (step.agentId === null) session.main.agentType ??= step.agentType;
  if (session.endedReason !== null && isRevival(step)) revive(session);

  HANDLERS.get(step.name)?.(session, step);

  const state = stateOf(session);
  if (state === session.state) return;
  session.state = state;
  session.stateSince = step.time;
}

/** When everything ended that was still open before a new beginning, if nobody was there any more to tell; or null. */
export function endOfSilence(session: Session, step: Step): number | null {
  const over = session.lastEventAt + SILENCE_MS;
  return step.time > over && isBeginning(step) ? over : null;
}

/** What the main agent and its sub-agents add up to. */
function stateOf({ endedReason, waits, failure, main, agents }: Session): SessionState {
  if (endedReason !== null) return "ended";
  if (waits.length > 0) return "waiting";
  if (failure !== null) return "failed";
  if (main.state === "working") return "working";
  for (const { state } of agents.values()) if (state === "working") return "working";
  return "idle";
}

type Handler = (session: Session, step: Step) => void;

const HANDLERS_BY_NAME: Record<string, Handler> = {
  session_start(session, { detail, prompt, time }) {
    // A command that is run is what a human has asked for.
    if (prompt !== "") session.prompt = prompt;
    // A compaction happens in the middle of a turn, and before a session starts up there is nothing of it.
    if (detail === "compact" || detail === "startup") return;
    // Another process took the session up: whatever the one before it had running is gone.
    endEverything(session, time);
    setMain(session, "idle");
  },

  user_prompt_submit(session, step) {
    if (step.agentId !== null) return startWork(session, step);
    if (step.report === null) {
      if (step.prompt !== "") session.prompt = step.prompt;
      interrupt(session, step.time);
      // Whoever can type has answered every question, a sub-agent's too.
      session.waits = [];
    } else {
      takeReport(session, step.report, step.time);
      // No prompt gets through to the main agent while it asks.
      if (waitsOf(session, null).length > 0) endTurn(session);
    }
    session.promptId = step.promptId;
    setMain(session, "working");
  },

  pre_tool_use(session, step) {
    const { toolUseId, tool } = step;
    beginTurn(session, step);
    // In the same millisecond the question may come before its call.
    const wait = session.waits.find((asked) => asked.toolUseId === null && asked.agentId === step.agentId);
    if (wait && wait.tool === tool) wait.toolUseId = toolUseId;
    startWork(session, step);
    if (tool === null) return;
    if (toolUseId === null) return count(session, tool);
    // Its end may have come first.
    if (session.calls.has(toolUseId)) return;
    const call = openCall(session, step, toolUseId, tool);
    // Of a session that is over nothing is open; its own end may still tell how it went.
    if (session.endedReason !== null) return closeCall(session, call, "unfinished");
    if (tool === QUESTION_TOOL) ask(session, step, { kind: "input", toolUseId });
  },

  permission_request(session, step) {
    beginTurn(session, step);
    startWork(session, step);
    const call = callAskedAbout(session, step);
    const kind = step.tool === QUESTION_TOOL ? "input" : "permission";
    ask(session, step, { kind, toolUseId: call?.toolUseId ?? null });
  },

  permission_denied: (session, step) => endCall(session, step, "denied"),

  post_tool_use(session, step) {
    const { child, path, tool, toolUseId, time } = step;
    const isTold = session.calls.get(toolUseId ?? "")?.outcome === "success";
    endCall(session, step, "success");
    if (child) linkChild(session, child.agentId, toolUseId, child.isBackground, time);
    if (path !== null && tool !== null && !isTold) touchFile(session, path, tool);
  },

  post_tool_use_failure(session, step) {
    endCall(session, step, "failure");
    const call = session.calls.get(step.toolUseId ?? "");
    if (call && !step.interrupted) failForeground(session, call, step.time);
    // Whoever interrupts a call has the prompt back; no Stop follows.
    if (!step.interrupted || step.agentId !== null) return;
    if (call) endForeground(session, call, step.time);
    interrupt(session, step.time);
    setMain(session, "idle");
  },

  post_tool_batch(session, step) {
    startWorkUnlessOver(session, step);
    for (const { toolUseId, tool } of step.batch) {
      const call = session.calls.get(toolUseId);
      if (call?.outcome === null) closeCall(session, call, "denied");
      // Of a call nobody saw, this says that it is over and not how.
      else if (!call) closeCall(session, openCall(session, step, toolUseId, tool), "unfinished");
    }
  },

  notification(session, step) {
    const type = step.detail || typeOfOldNotification(step.message);
    if (type === "permission_prompt") remind(session, step, "permission");
    else if (type === "elicitation_dialog") remind(session, step, "input");
    else if (type.startsWith("elicitation_")) answerElicitation(session, step);
    else if (type === "idle_prompt" && step.agentId === null) {
      // Interrupted while it thought: nothing else tells.
      interrupt(session, step.time);
      setMain(session, "idle");
    }
  },

  elicitation: elicit,
  elicitation_result: answerElicitation,

  subagent_start(session, step) {
    if (step.agentId !== null) startWork(session, step);
  },

  subagent_stop: (session, step) => endSubagent(session, step, "ended"),

  stop(session, step) {
    if (step.agentId !== null) return endSubagent(session, step, "ended");
    endTurn(session);
    setMain(session, "idle");
    if (step.background) matchBackground(session, step.background, step.time);
  },

  stop_failure(session, step) {
    if (step.agentId !== null) return endSubagent(session, step, "failed");
    endTurn(session);
    setMain(session, "idle");
    session.failure = step.message || step.detail || "unknown";
  },

  pre_compact: (session, step) => startWork(session, step),

  post_compact(session, { detail, agentId }) {
    if (detail === "manual" && agentId === null) setMain(session, "idle");
  },

  session_end(session, { detail, isFailure, time }) {
    endEverything(session, time);
    session.endedReason = detail || "unknown";
    if (isFailure) session.failure = detail;
    setMain(session, "ended");
    session.main.endedAt = time;
  },

  "claude.status"(session, { detail, message }) {
    if (RUNNING.test(detail)) setMain(session, "working");
    else if (/^(idle|ready|stopped|waiting|finished)$/.test(detail)) {
      endTurn(session);
      setMain(session, "idle");
    } else if (/^(error|failed|crashed)$/.test(detail)) {
      setMain(session, "idle");
      session.failure = message || detail;
    }
  },

  // Claude-mpm names an agent, and gives it no id.
  "agent.delegation"(session, step) {
    if (step.agentType === null) return;
    const named = { ...step, agentId: step.agentType };
    if (/^(completed|finished|done|stopped)$/.test(step.detail)) endSubagent(session, named, "ended");
    else if (/^(failed|error)$/.test(step.detail)) endSubagent(session, named, "failed");
    else startWork(session, named);
  },
};

/** Looked up by what senders write. */
const HANDLERS = new Map(Object.entries(HANDLERS_BY_NAME));

/** Before notifications had types. */
function typeOfOldNotification(message: string): string {
  if (/permission/i.test(message)) return "permission_prompt";
  return /waiting for your input/i.test(message) ? "idle_prompt" : "";
}

function isBeginning({ name, agentId, report }: Step): boolean {
  return agentId === null && report === null && (name === "session_start" || name === "user_prompt_submit");
}

/** What proves that a session which had ended goes on; stragglers of an ended one do not. */
function isRevival({ name, agentId, detail }: Step): boolean {
  return agentId === null && (REVIVING.has(name) || (name === "claude.status" && RUNNING.test(detail)));
}

/** A prompt that was not seen: the main agent is in another turn than before. Sub-agents keep the one of their launch. */
function beginTurn(session: Session, { agentId, promptId, time }: Step): void {
  if (agentId !== null || promptId === null) return;
  if (session.promptId !== null && session.promptId !== promptId) interrupt(session, time);
  session.promptId = promptId;
}

function revive(session: Session): void {
  session.endedReason = null;
  session.failure = null;
  session.main.endedAt = null;
  session.main.state = "idle";
}

/** A step that tells how a call ended; a call nobody saw begin counts all the same. */
function endCall(session: Session, step: Step, outcome: Outcome): void {
  const { toolUseId, tool, time } = step;
  startWorkUnlessOver(session, step);
  const call = toolUseId === null ? callAskedAbout(session, step) : session.calls.get(toolUseId);
  if (!call && (tool === null || toolUseId === null)) return;
  const ended = call ?? openCall(session, step, toolUseId ?? "", tool ?? "?");
  closeCall(session, ended, outcome, step.durationMs ?? (call ? time - call.startedAt : null));
}
