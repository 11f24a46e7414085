/** What a session asks a person, and how it is seen to be answered. */
import { openCalls } from "./calls.ts";
import { type Call, dropWaits, type Session, type Wait } from "./state.ts";
import type { Step } from "./step.ts";

export const QUESTION_TOOL = "AskUserQuestion";

/** Whoever asks more never hears an answer. */
const MAX_WAITS = 200;

export function ask(
  session: Session,
  { agentId, tool, message, argument }: Step,
  { kind, toolUseId }: Pick<Wait, "kind" | "toolUseId">,
): void {
  if (session.endedReason !== null) return;
  if (toolUseId !== null) dropWaits(session, (wait) => wait.toolUseId === toolUseId);
  session.waits.push({ kind, agentId, tool, message: message || argument || null, toolUseId });
  if (session.waits.length > MAX_WAITS) session.waits.shift();
}

/**
 * A notification comes seconds after the question, and alone where that one was not seen. It names neither the agent nor
 * the call, and says less than the question did.
 */
export function remind(session: Session, step: Step, kind: Wait["kind"]): void {
  const asked = session.waits.findLast((wait) => wait.kind === kind) ?? session.waits.at(-1);
  if (asked) asked.message ??= step.message || null;
  else askAboutOpenCall(session, step, kind);
}

/** A tool's server asks for input, in the middle of a call. */
export function elicit(session: Session, step: Step): void {
  askAboutOpenCall(session, step, "input");
}

/** An answer that names no agent is that to the only question there is. */
export function answerElicitation(session: Session, step: Step): void {
  const asked = session.waits.filter(({ kind }) => kind === "input");
  const [only] = asked.length === 1 && step.agentId === null ? asked : [];
  dropWaits(session, (wait) => wait === only || (wait.kind === "input" && wait.agentId === step.agentId));
}

/** Of the agent's open calls, or where it has none of everybody's, the only one that can be meant. */
function askAboutOpenCall(session: Session, step: Step, kind: Wait["kind"]): void {
  const mayAsk = ({ tool }: Call) => kind === "permission" || tool.startsWith("mcp__");
  const own = openCalls(session, step.agentId).filter(mayAsk);
  const open = own.length > 0 || step.agentId !== null ? own : openCalls(session).filter(mayAsk);
  const call = open.length === 1 ? open[0] : undefined;
  const { agentId, tool, toolUseId } = call ?? { agentId: step.agentId, tool: null, toolUseId: null };
  ask(session, { ...step, agentId, tool }, { kind, toolUseId });
}
