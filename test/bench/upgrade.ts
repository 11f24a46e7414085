/** How long events wait while a server is replaced by a newer one, under load. */
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { account } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { OWN_TARGET, programOf, publish } from "../support/release.ts";
import { steadyLoad } from "../support/steady-load.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { median } from "./measure.ts";

const ROUNDS = 7;
const CLIENTS = 10;
const PER_SECOND = 500;
const BEFORE_AND_AFTER = 1000;

export interface UpgradeFigures {
  /** Longest time without an acknowledgement, milliseconds: the median round and the worst. */
  gap: number;
  longestGap: number;
  /** The same clients without an upgrade. */
  undisturbed: number;
}

export async function benchUpgrade(say: (text: string) => void): Promise<UpgradeFigures> {
  const old = await programOf("0.8.0");
  const releases = temporaryDirectory();
  const newer = readFileSync(await programOf("0.9.0"));
  publish(releases, "0.9.0", { targets: [OWN_TARGET], program: () => newer });
  const times: Record<"upgraded" | "left", number[]> = { upgraded: [], left: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of ["upgraded", "left"] as const) {
      times[kind].push(await longestPause(old, kind === "upgraded" ? releases : null));
    }
  }
  const figures = {
    gap: median(times.upgraded),
    longestGap: Math.max(...times.upgraded),
    undisturbed: median(times.left),
  };
  say(
    `upgrade with ${CLIENTS} clients and ${PER_SECOND} events/s: no event acknowledged for ${figures.gap.toFixed(0)} ms, ` +
      `at most ${figures.longestGap.toFixed(0)} ms of ${ROUNDS} (at most 2000); without one ${figures.undisturbed.toFixed(0)} ms`,
  );
  return figures;
}

async function longestPause(old: string, releases: string | null): Promise<number> {
  const { home, env } = account();
  const program = join(home, "claude-mpm-socketio");
  copyFileSync(old, program);
  const call = async (...args: string[]) => {
    const child = Bun.spawn([program, ...args], { cwd: home, env, stdio: ["ignore", "ignore", "inherit"] });
    if ((await child.exited) !== 0) throw new Error(`${args.join(" ")} failed`);
  };
  const port = await freePort();
  await call("start", "--port", `${port}`);
  try {
    const load = steadyLoad(`http://127.0.0.1:${port}`, { clients: CLIENTS, perSecond: PER_SECOND });
    const enough = () =>
      eventually(async () => (await processed(port)) >= BEFORE_AND_AFTER, { limitMs: 30_000 });
    await enough();
    if (releases !== null) {
      await call("upgrade", "--base-url", releases);
      await enough();
    }
    return (await load.finish()).longestPauseMs;
  } finally {
    await call("stop", "--port", `${port}`);
  }
}

async function processed(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/stats`).catch(() => null);
  const stats = response?.ok ? ((await response.json()) as { events: { total_processed: number } }) : null;
  return stats?.events.total_processed ?? 0;
}
