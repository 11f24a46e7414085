/** What a hook does when its event could not just be sent; apart, for it needs what takes longer to load. */
import { redactJson } from "../protocol/redact.ts";
import type { Outcome } from "./outcome.ts";
import { connect } from "./send.ts";
import { openSpool, type Spool } from "./spool.ts";
import type { Target } from "./target.ts";

export interface Late {
  text: string;
  /** When the hook ran, milliseconds since the epoch with a fraction. */
  time: number;
  target: Target | null;
  /** The spool's. */
  directory: string;
  /** What became of it; null when it has not been sent. */
  outcome: Outcome | null;
  /** Forms of secrets besides the known ones; null leaves them all as they are. */
  patterns: readonly string[] | null;
}

/**
 * How long a hook sends on what others have left; the server takes the rest by itself. Short, for a server that hangs
 * would otherwise cost every hook all of its time, and not only the first.
 */
const REPLAY_MS = 100;

/** Puts the event into the spool, and the spool on its way. */
export async function deliverLate({
  text,
  time,
  target,
  directory,
  outcome: first,
  patterns,
}: Late): Promise<void> {
  const spool = openSpool(directory);
  const outcome =
    first === null && target !== null && isEmpty(spool) ? await connect(target).post(text) : first;
  if (outcome === "stored") return;
  if (outcome !== null && outcome !== "later") return spool.note(`refused_${outcome.refused}`);
  try {
    spool.add(patterns === null ? text : redactJson(text, patterns), time);
  } catch {
    // Out of its order rather than not at all.
    if (target !== null && outcome === null) await connect(target).post(text);
    return;
  }
  if (target !== null && outcome === null) await sendWaiting(spool, target);
}

/** False as well where that cannot be told. */
function isEmpty(spool: Spool): boolean {
  try {
    return spool.isEmpty();
  } catch {
    return false;
  }
}

async function sendWaiting(spool: Spool, target: Target): Promise<void> {
  const { replay } = await import("./replay.ts");
  const end = performance.now() + REPLAY_MS;
  await replay({
    spool,
    maxEventBytes: target.max_http_buffer_size,
    send(events) {
      const texts = events.map(({ text }) => text);
      const body = texts.length === 1 ? (texts[0] as string) : `[${texts.join(",")}]`;
      return connect(target).post(body, end - performance.now());
    },
    isOver: () => performance.now() > end,
  });
}
