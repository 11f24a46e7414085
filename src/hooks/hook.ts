/** `hook`: one Claude Code hook from standard input to the server, or into the spool. Nothing here may fail loudly. */
import { type LightConfig, loadLightConfig } from "../config/light.ts";
import { serverPaths } from "../config/paths.ts";
import { hookEvent } from "../protocol/hook-event.ts";
import { shortenToFit } from "../protocol/shorten.ts";
import { readInput } from "./input.ts";
import { payloadOf } from "./payload.ts";
import { send } from "./send.ts";
import { openSpool, type Spool } from "./spool.ts";
import { findTarget, type Target } from "./target.ts";

/** All of it, from the start of the process. */
const BUDGET_MS = 500;
/** How long a hook sends on what others have left; the server takes the rest by itself. */
const REPLAY_MS = 100;

/** Resolves whatever happens, and prints nothing: what a hook prints may reach the model. */
export async function runHook(args: readonly string[]): Promise<void> {
  try {
    const [input, config] = await Promise.all([readInput(), loadLightConfig(args)]);
    const payload = payloadOf(input);
    if (payload === null) return;
    const time = performance.timeOrigin;
    const target = await findTarget(config).catch(() => null);
    const event = hookEvent(payload, Math.floor(time));
    const text = JSON.stringify(shortenToFit(event, (target ?? config).max_http_buffer_size));
    await deliver(text, time, target, spoolOf(config));
  } catch {
    // There is nobody to tell.
  }
}

function spoolOf({ state_dir, port }: LightConfig): Spool {
  return openSpool(serverPaths(state_dir, port).spool);
}

/** Behind those that wait already, if any; so a session's events stay in order. */
async function deliver(text: string, time: number, target: Target | null, spool: Spool): Promise<void> {
  const first = spool.isEmpty();
  if (target !== null && first) {
    const outcome = await send(target, text, timeLeft());
    if (outcome === "stored") return;
    if (outcome !== "later") return spool.note(1, `refused_${outcome.refused}`);
  }
  spool.add(text, time);
  spool.trim();
  if (target !== null && !first) await replaySpool(spool, target);
}

async function replaySpool(spool: Spool, target: Target): Promise<void> {
  const { replay } = await import("./replay.ts");
  const end = performance.now() + Math.min(REPLAY_MS, timeLeft());
  await replay({
    spool,
    send(events) {
      const texts = events.map(({ text }) => text);
      return send(target, texts.length === 1 ? (texts[0] as string) : `[${texts.join(",")}]`, timeLeft());
    },
    isOver: () => performance.now() > end,
  });
}

function timeLeft(): number {
  return Math.max(0, BUDGET_MS - performance.now());
}
