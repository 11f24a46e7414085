/** A short-lived server of this very program, for the canary when none is running. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerAddress } from "../../daemon/find.ts";
import { startServer } from "../../daemon/start.ts";
import { stopServer } from "../../daemon/stop.ts";
import { selfCommand } from "../self.ts";

/** Starts a server on a free port with a directory of its own, and ends it whatever `use` does. */
export async function withTrialServer<T>(use: (server: ServerAddress) => Promise<T>): Promise<T> {
  const stateDir = mkdtempSync(join(tmpdir(), "claude-mpm-socketio-doctor-"));
  const settings = [
    "host=localhost",
    "port=0",
    "persistent=false",
    // It would be one more of those that share it, and leave its events with them.
    "redis_url=null",
    `state_dir=${stateDir}`,
  ];
  try {
    const started = await startServer({
      command: selfCommand(),
      args: settings.flatMap((setting) => ["--set", setting]),
      stateDir,
      host: "localhost",
      port: 0,
    });
    if (started.outcome === "failed") throw new Error(started.message);
    const { host, port } = started.health;
    try {
      return await use({ stateDir, host, port });
    } finally {
      await stopServer({ stateDir, host, port });
    }
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}
