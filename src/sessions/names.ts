/** How sessions, projects and times are called where people read them. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/i;
const SHORT = 8;

/** Enough of a session's id to know it again, and to ask for it. */
export function shortSession(session: string | null): string {
  if (session === null) return "-";
  return UUID.test(session) ? session.slice(0, SHORT) : session;
}

/** A project by its directory's name. */
export function lastSegment(project: string | null): string {
  return project?.split(/[/\\]/).findLast((segment) => segment !== "") ?? project ?? "-";
}

/** "2 h 3 min", "3 min 4 s", "5 s". */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}
