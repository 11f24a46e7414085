import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { startTestServer } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

test.skipIf(process.platform !== "linux")("a server that cannot start leaves no file open", async () => {
  const stateDir = temporaryDirectory();
  const first = await startTestServer({ state_dir: stateDir });
  await first.stop();
  const log = new Database(first.paths.events);
  log.run("PRAGMA user_version = 999");
  log.close();

  const settings = { state_dir: stateDir, port: `${first.port}`, log_to_file: "true", log_level: "WARNING" };
  // It is warned of a token like this, so that its log file is open by the time it fails.
  const attempt = startTestServer({ ...settings, auth: "on", token: "short" });
  await expect(attempt).rejects.toThrow("schema version 999");
  const open = readdirSync("/proc/self/fd").map((name) => {
    try {
      return readlinkSync(join("/proc/self/fd", name));
    } catch {
      return "";
    }
  });
  expect(open.filter((path) => path.startsWith(stateDir))).toEqual([]);
});
