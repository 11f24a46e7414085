/** Tells a hook that is registered twice from one that ran again, by its event's id. */
import { parseHookEventId, SAME_HOOK_MS } from "../protocol/hook-event.ts";

/** Contents remembered at most; only the last seconds matter. */
const MAX_REMEMBERED = 4096;

/**
 * Gives an event of a hook the id under which the very same payload came within `SAME_HOOK_MS` before, so that the log
 * takes it for a duplicate. It is measured from the one that counted: a payload that goes on coming counts again.
 */
export function createSameHook(): (id: string) => string {
  const counted = new Map<string, { id: string; time: number }>();
  return (id) => {
    if (!id.startsWith("cc-")) return id;
    const hook = parseHookEventId(id);
    if (hook === null) return id;
    const { content, time } = hook;
    const first = counted.get(content);
    if (first && Math.abs(time - first.time) <= SAME_HOOK_MS) return first.id;
    // The one counted last is the last to be forgotten.
    counted.delete(content);
    counted.set(content, { id, time });
    if (counted.size > MAX_REMEMBERED) counted.delete(counted.keys().next().value as string);
    return id;
  };
}
