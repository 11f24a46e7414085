/** One session: its state, its timeline, and what it adds up to. */
import { useMemo } from "preact/hooks";
import { liveSource } from "../../state/session-source.ts";
import { useStore } from "../../state/store.ts";
import { SessionPage } from "./session-page.tsx";

export function SessionView({ id }: { id: string }) {
  const { feed } = useStore();
  // With another log, all of it is told anew.
  const { value: log } = feed.log;
  const source = useMemo(() => liveSource(id, feed), [id, log]);
  return <SessionPage key={log} source={source} />;
}
