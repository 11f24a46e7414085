/** Calls, agents and marks as they are called where they are shown; all of it is harmless to show. */
import type { Lane, Mark, MarkKind, Span, WaitSpan } from "../../../sessions/story.ts";
import { oneLine } from "../../parts/text.ts";
import { clock, count, span as spanWords } from "../../parts/words.ts";

const MAX_CHARS = 160;
const SHORT_ID = 7;

export const OUTCOME_WORDS = {
  success: "succeeded",
  failure: "failed",
  denied: "denied",
  unfinished: "never finished",
  open: "running",
} as const;

/** How a call shows: its outcome, or that it goes on. Of one without an id nobody will know. */
export function outcomeOf({ outcome, endedAt }: Span): keyof typeof OUTCOME_WORDS {
  return outcome ?? (endedAt === null ? "open" : "unfinished");
}

export function callTitle({ tool, argument }: Span, project: string | null): string {
  return oneLine(cut(`${tool} ${inProject(argument, project)}`.trim()));
}

/** "Bash npm test, failed, 1.2 s, at 12:03:04". */
export function callWords(span: Span, project: string | null, now: number): string {
  const { durationMs, startedAt } = span;
  const outcome = outcomeOf(span);
  const took = outcome === "open" ? now - startedAt : durationMs;
  const words = [callTitle(span, project), OUTCOME_WORDS[outcome]];
  if (took !== null) words.push(spanWords(Math.max(0, took)));
  return [...words, `at ${clock(startedAt)}`].join(", ");
}

/** "14 calls, 2 failed, 12:03:04 to 12:03:09". */
export function clusterWords(spans: readonly Span[]): string {
  const failed = spans.filter(({ outcome }) => outcome === "failure").length;
  const [first, last] = [spans[0], spans.at(-1)];
  const words = [count(spans.length, "call"), failed > 0 ? `${failed} failed` : ""].filter(Boolean);
  return `${words.join(", ")}, ${clock(first?.startedAt ?? 0)} to ${clock(last?.startedAt ?? 0)}`;
}

export function waitWords({ kind, tool, message, from, to }: WaitSpan, now: number): string {
  const what = kind === "permission" ? "permission" : "an answer";
  const about = [tool ?? "", message ?? ""].filter(Boolean).join(": ");
  const waits = to === null ? "has been waiting" : "waited";
  const head = `${waits} ${spanWords(Math.max(0, (to ?? now) - from))} for ${what}`;
  return oneLine(cut(about === "" ? head : `${head}: ${about}`));
}

export function laneName({ agentId, agentType }: Pick<Lane, "agentId" | "agentType">): string {
  if (agentId === null) return agentType === null ? "main" : `main · ${oneLine(cut(agentType))}`;
  return oneLine(cut(agentType ?? "agent"));
}

export function shortAgent(agentId: string | null): string {
  return agentId === null ? "" : oneLine(agentId.slice(0, SHORT_ID));
}

export const MARK_SIGNS: Record<MarkKind, [sign: string, word: string]> = {
  prompt: ["❯", "prompt"],
  stop: ["○", "stop"],
  failure: ["✕", "failure"],
  start: ["▶", "start"],
  end: ["■", "end"],
  notification: ["●", "notification"],
  compact: ["⇥", "compaction"],
};

export function markWords({ kind, text, time }: Mark): string {
  const said = oneLine(cut(text));
  return `${MARK_SIGNS[kind][1]}${said === "" ? "" : `: ${said}`}, at ${clock(time)}`;
}

/** A path as it is seen from the project's directory. */
export function inProject(path: string, project: string | null): string {
  if (project === null || project === "") return path;
  if (path === project) return ".";
  return path.startsWith(`${project}/`) ? path.slice(project.length + 1) : path;
}

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
}
