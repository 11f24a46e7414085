/** What a session asks a person, and how it is seen to be answered. */
import { openCalls } from "./calls.ts";
import { dropWaits, type Session, type Wait } from "./state.ts";
import type { Step } from "./step.ts";

export const QUESTION_TOOL = "AskUserQuestion";

export function ask(
  session: Session,
  { agentId, tool, message, argument }: Step,
  { kind, toolUseId }: Pick<Wait, "kind" | "toolUseId">,
): void {
  if (session.endedReason !== null) return;
  if (toolUseId !== null) dropWaits(session, (wait) => wait.toolUseId === toolUseId);
  session.waits.push({ kind, agentId, tool, message: message || argument || null, toolUseId });
}

/** "Claude needs your permission" comes seconds after the question, and alone where that one was not seen. */
export function remind(session: Session, step: Step): void {
  const asked = session.waits.findLast(({ kind }) => kind === "permission") ?? session.waits.at(-1);
  if (asked) {
    if (step.message !== "") asked.message = step.message;
    return;
  }
  const open = openCalls(session, step.agentId);
  const call = open.length === 1 ? open[0] : undefined;
  ask(
    session,
    { ...step, tool: call?.tool ?? null },
    { kind: "permission", toolUseId: call?.toolUseId ?? null },
  );
}

/** A tool's server asks for input, in the middle of a call. */
export function elicit(session: Session, step: Step): void {
  const calls = openCalls(session, step.agentId).filter(({ tool }) => tool.startsWith("mcp__"));
  const call = calls.length === 1 ? calls[0] : undefined;
  ask(session, { ...step, tool: call?.tool ?? null }, { kind: "input", toolUseId: call?.toolUseId ?? null });
}

export function answerElicitation(session: Session, step: Step): void {
  dropWaits(session, ({ kind, agentId }) => kind === "input" && agentId === step.agentId);
}
