/** Sessions for people: who is at what, and who waits for them. */
import type { Session, SessionState } from "../protocol/messages.ts";
import { duration, lastSegment, shortSession } from "../sessions/names.ts";
import { style, type Style } from "./output.ts";
import { fit, oneLine } from "./terminal-text.ts";

const STYLES: Record<SessionState, Style> = {
  working: "green",
  waiting: "brightYellow",
  idle: "dim",
  ended: "dim",
  failed: "red",
};

/** In the order in which somebody has to know of them. */
export const LIVE_STATES = ["waiting", "failed", "working", "idle"] as const satisfies SessionState[];

const MOST_COLUMNS = { name: 20, activity: 60 };

/** Rows of a table: session, project, state and how long, what. */
export function sessionRows(sessions: readonly Session[], now: number): string[][] {
  return sessions.map((session) => {
    const { session_id: id, project, state, state_since: since } = session;
    const seconds = Math.max(0, (now - Date.parse(since)) / 1000);
    return [
      `    ${cell(shortSession(id), MOST_COLUMNS.name)}`,
      cell(lastSegment(project), MOST_COLUMNS.name),
      style(state, STYLES[state]),
      duration(seconds),
      cell(activity(session), MOST_COLUMNS.activity),
    ];
  });
}

/** The one thing that matters: what is asked, what runs, or what was last wanted. */
function activity({ state, waiting_for: wait, failure, open_tools: open, agents, prompt }: Session): string {
  if (wait) return `waits for you: ${[wait.tool, wait.message].filter(Boolean).join(" ") || wait.kind}`;
  if (state === "failed") return failure ?? "";
  const [call] = open.slice(-1);
  const running = agents.filter((agent) => agent.agent_id !== null && agent.state === "working").length;
  const what = call ? `${call.tool} ${call.argument}` : (prompt ?? "");
  return running > 0 ? `${what} (${running} sub-agent${running === 1 ? "" : "s"})` : what;
}

function cell(text: string, columns: number): string {
  return fit(oneLine(text.slice(0, columns * 8)), columns);
}
