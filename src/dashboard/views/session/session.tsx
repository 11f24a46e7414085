/** One session: its state, its timeline, and what it adds up to. */
import { useEffect, useMemo } from "preact/hooks";
import type { Session } from "../../../protocol/messages.ts";
import { linkTo, replace, route } from "../../state/route.ts";
import { liveSource } from "../../state/session-source.ts";
import { useStore } from "../../state/store.ts";
import { SessionPage } from "./session-page.tsx";

export function SessionView({ id }: { id: string }) {
  const { feed, sessions } = useStore();
  const full = fullId(id, sessions.all.value);
  useEffect(() => {
    if (full !== null) replace(linkTo("session", route.peek().params, full));
  }, [full]);
  // With another log, all of it is told anew.
  const { value: log } = feed.log;
  const source = useMemo(() => liveSource(id, feed), [id, log]);
  return <SessionPage key={log} source={source} />;
}

const LEAST_CHARS = 4;

/** Of the only session that begins so, for ids are shown and told on by their beginnings; else null. */
function fullId(id: string, sessions: readonly Session[]): string | null {
  if (id.length < LEAST_CHARS || sessions.some(({ session_id: one }) => one === id)) return null;
  const [only, ...others] = sessions.filter(({ session_id: one }) => one.startsWith(id));
  return only && others.length === 0 ? only.session_id : null;
}
