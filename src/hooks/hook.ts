/** `hook`: one Claude Code hook from standard input to the server, or into the spool. Nothing here may fail loudly. */
import { lightConfig, type LightConfig, readConfigFile } from "../config/light.ts";
import { serverPaths } from "../config/paths.ts";
import { hookEvent } from "../protocol/hook-event.ts";
import { shortenToFit } from "../protocol/shorten.ts";
import { readInput } from "./input.ts";
import { payloadOf } from "./payload.ts";
import { connect, type Connection } from "./send.ts";
import { findTarget, type Target } from "./target.ts";

/** What a hook finds around it. */
interface Place {
  target: Target | null;
  /** To the target, where it could be made already and nothing waits in front of this hook. */
  connection: Connection | null;
  /** The spool's directory. */
  spool: string;
}

/** Resolves whatever happens, and prints nothing: what a hook prints may reach the model. */
export async function runHook(args: readonly string[]): Promise<void> {
  try {
    await deliver(args);
  } catch {
    // There is nobody to tell.
  }
}

/**
 * What has to be waited for is begun first; all that is quick is done meanwhile. Nothing that is begun may reject:
 * whatever fails beside it, the event goes into the spool.
 */
async function deliver(args: readonly string[]): Promise<void> {
  // Most users have no file, and then all is at hand by the time that is known.
  let config = lightConfig(args, null);
  let looking = lookAround(config);
  const readingFile = readConfigFile(args).catch(() => null);
  const reading = readInput();

  const payload = payloadOf(await reading);
  if (payload === null) return;
  const time = performance.timeOrigin;
  const event = hookEvent(payload, Math.floor(time));

  const file = await readingFile;
  if (file !== null) {
    config = lightConfig(args, file);
    looking = lookAround(config);
  }
  const { target, connection, spool: directory } = await looking;
  const text = JSON.stringify(shortenToFit(event, (target ?? config).max_http_buffer_size));
  const outcome = connection && (await connection.post(text));
  if (outcome === "stored") return;
  // Apart, for it takes a while to load.
  const { deliverLate } = await import("./late.ts");
  const { redact, redact_patterns: patterns } = config;
  await deliverLate({ text, time, target, directory, outcome, patterns: redact ? patterns : null });
}

function lookAround(config: LightConfig): Promise<Place> {
  const { spool } = serverPaths(config.state_dir, config.port);
  return lookFrom(spool, config).catch(() => ({ target: null, connection: null, spool }));
}

async function lookFrom(spool: string, config: LightConfig): Promise<Place> {
  const spooled = Bun.file(spool)
    .stat()
    .then(
      () => true,
      () => false,
    );
  const candidate = await findTarget(config);
  if (candidate === null) return { target: null, connection: null, spool };
  const { target, isOurs } = candidate;
  // Who only connects has told nobody anything.
  const connection = (await spooled) ? null : connect(target);
  return (await isOurs) ? { target, connection, spool } : { target: null, connection: null, spool };
}
