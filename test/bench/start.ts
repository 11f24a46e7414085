/** How long the program takes to start: the bare command, and a server until it answers. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../build/compile.ts";
import { account, binary } from "../support/binary.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { interleaved, median, wholeProcess } from "./measure.ts";

const ROUNDS = 20;
const POLL_MS = 1;

export interface StartFigures {
  /** Milliseconds, whole processes. */
  version: number;
  empty: number;
  health: number;
  healthSlowest: number;
}

export async function benchStart(say: (text: string) => void): Promise<StartFigures> {
  const directory = temporaryDirectory();
  const entry = join(directory, "empty.ts");
  const empty = join(directory, "out", "empty-program");
  writeFileSync(entry, "export {};\n");
  mkdirSync(join(directory, "out"));
  await compile({ entry, outfile: empty });
  const program = await binary();
  const user = account();

  const times = await interleaved(ROUNDS, {
    version: () => wholeProcess([program, "--version"], user.env),
    empty: () => wholeProcess([empty], user.env),
    health: () => startUntilHealthy(program, user.env),
  });
  const [version, nothing, health] = [median(times.version), median(times.empty), median(times.health)];
  const healthSlowest = Math.max(...times.health);
  say(
    `--version: ${version.toFixed(1)} ms, an empty compiled program ${nothing.toFixed(1)} ms: ${(version / nothing).toFixed(2)}× (at most 2)`,
  );
  say(
    `start until /health answers: ${health.toFixed(0)} ms, slowest ${healthSlowest.toFixed(0)} ms (at most 250)`,
  );
  return { version, empty: nothing, health, healthSlowest };
}

/** Milliseconds from calling `start` to the first answer of `/health`, whichever of the two returns first. */
async function startUntilHealthy(program: string, env: Record<string, string>): Promise<number> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/health`;
  const start = performance.now();
  const child = Bun.spawn([program, "start", "--port", `${port}`], {
    env,
    stdio: ["ignore", "ignore", "ignore"],
  });
  while (
    !(await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await Bun.sleep(POLL_MS);
  const time = performance.now() - start;
  await child.exited;
  await Bun.spawn([program, "stop", "--port", `${port}`], { env, stdio: ["ignore", "ignore", "ignore"] })
    .exited;
  return time;
}
