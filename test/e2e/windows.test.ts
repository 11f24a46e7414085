/** The program for Windows, run where there is no Windows: by Wine. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { compile } from "../../build/compile.ts";
import { programName } from "../../src/release/targets.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { noWine, type Windows, windowsFor } from "../support/wine.ts";

const because = noWine === null ? "" : ` (${noWine})`;

describe.skipIf(noWine !== null)(`the program for Windows${because}`, () => {
  let windows: Windows;
  let port: number;
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const healthy = async () => {
    const response = await fetch(url("/health")).catch(() => null);
    return response === null ? null : ((await response.json()) as { pid: number; status: string });
  };
  const gone = () =>
    eventually(async () => (await fetch(url("/health")).catch(() => null)) === null, {
      what: "the end of the server",
    });

  beforeAll(async () => {
    const program = join(temporaryDirectory(), programName("windows-x64"));
    await compile({ target: "windows-x64", outfile: program });
    windows = await windowsFor(program);
    port = await freePort();
  }, 180_000);

  test(`prints its version${because}`, async () => {
    expect(await windows.run(["--version"])).toEqual({ stdout: `${version}\n`, stderr: "", exitCode: 0 });
  });

  test(`serves, takes an event, and is stopped by stop${because}`, async () => {
    const server = windows.spawn(["serve", "--port", `${port}`, "--set", "log_to_file=true"]);
    onEnd(() => server.kill("SIGKILL"));
    const health = await eventually(healthy, { what: "the server's answer", limitMs: 30_000 });
    expect(health.status).toBe("healthy");

    const sent = await fetch(url("/api/events"), { method: "POST", body: '{"type":"hello"}' });
    expect(await sent.json()).toMatchObject({ accepted: 1, first_seq: 1 });
    expect((await windows.run(["status", "--port", `${port}`])).stdout).toContain(`PID        ${health.pid}`);

    const stop = await windows.run(["stop", "--port", `${port}`]);
    expect(stop).toEqual({
      stdout: `Stopped: port ${port} (PID ${health.pid})\n`,
      stderr: "",
      exitCode: 0,
    });
    await gone();
    expect(await server.exited).toBe(0);
    // In order, and not cut short: the log of the events was closed.
    const said = readFileSync(join(windows.stateDir, `${port}`, "server.log"), "utf8");
    expect(said).toMatch(/ stopping [^]* stopped +events_processed=1\b/);
    expect(existsSync(join(windows.stateDir, `${port}`, "server.json"))).toBe(false);
    expect((await windows.run(["stop", "--port", `${port}`])).exitCode).toBe(3);
  });

  test(`asks for tokens where it is told to, and its user needs none${because}`, async () => {
    const place = ["--port", `${port}`];
    const { exitCode, stderr } = await windows.run(["start", ...place, "--auth", "on"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect((await fetch(url("/stats"))).status).toBe(401);
    expect(await windows.run(["emit", "a", ...place])).toMatchObject({ exitCode: 0, stderr: "" });
    const made = await windows.run(["token", "create", "--json"]);
    const { token } = JSON.parse(made.stdout);
    expect((await fetch(url("/stats"), { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);
    expect((await windows.run(["stop", ...place])).exitCode).toBe(0);
    const said = readFileSync(join(windows.stateDir, `${port}`, "server.log"), "utf8");
    expect(said).toMatch(/ stopped +events_processed=1\b[^]*$/);
    await gone();
  });

  test(`starts in the background with the history it had, once for two calls, and restarts${because}`, async () => {
    const start = () => windows.run(["start", "--port", `${port}`]);
    const [first, second] = await Promise.all([start(), start()]);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    const pid = /PID (\d+)/.exec(first.stdout)?.[1];
    expect(second.stdout).toContain(`PID ${pid}`);

    const restart = await windows.run(["restart", "--port", `${port}`]);
    expect([restart.exitCode, restart.stderr]).toEqual([0, ""]);
    expect((await windows.run(["history", "--port", `${port}`])).stdout).toContain("hello");

    expect((await windows.run(["stop", "--port", `${port}`])).exitCode).toBe(0);
    await gone();
  });

  test(`signals no process that merely has the PID of a server that is gone${because}`, async () => {
    const server = windows.spawn(["serve", "--port", `${port}`]);
    onEnd(() => server.kill("SIGKILL"));
    const health = await eventually(healthy, { what: "the server's answer", limitMs: 30_000 });
    const fileOn = (one: number) => join(windows.stateDir, `${one}`, "server.json");
    const instance = JSON.parse(readFileSync(fileOn(port), "utf8"));
    expect(instance.pid).toBe(health.pid);

    const other = await freePort();
    const before = new Date(Date.parse(instance.process_start_time) - 1000).toISOString();
    const token = `${BigInt(instance.process_token) - 10_000_000n}`;
    mkdirSync(join(windows.stateDir, `${other}`));
    writeFileSync(
      fileOn(other),
      JSON.stringify({ ...instance, port: other, process_token: token, process_start_time: before }),
    );
    const stop = await windows.run(["stop", "--port", `${other}`]);
    // Whether it says that the file is removed hangs on Wine, whose refused connections read as reset ones.
    expect([stop.exitCode, stop.stdout]).toEqual([
      3,
      expect.stringContaining(`No server runs on port ${other}`),
    ]);
    expect(existsSync(fileOn(other))).toBe(false);
    expect(await healthy()).toMatchObject({ pid: health.pid });

    expect((await windows.run(["stop", "--port", `${port}`])).exitCode).toBe(0);
    await gone();
  });
});
