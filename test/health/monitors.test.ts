/** Each of the server's checks of itself, met by what it is there for. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clockMonitor } from "../../src/health/clock.ts";
import { diskMonitor } from "../../src/health/disk.ts";
import { errorsMonitor } from "../../src/health/errors.ts";
import { RECOVERIES } from "../../src/health/health.ts";
import { lagMonitor } from "../../src/health/lag.ts";
import { memoryMonitor } from "../../src/health/memory.ts";
import { spoolMonitor } from "../../src/health/spool.ts";
import { openSpool, spoolStatus } from "../../src/hooks/spool.ts";
import { createHub } from "../../src/hub/hub.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createLogging } from "../../src/logging.ts";
import { eventually } from "../support/eventually.ts";
import { smallDisk } from "../support/small-disk.ts";
import { startTestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const MINUTE = 60_000;

const small = smallDisk("20m");
describe("disk", () => {
  test.skipIf(small === null)(
    "too little room is degraded until there is a good deal of it (needs root)",
    () => {
      const check = diskMonitor(small?.path as string);
      const file = join(small?.path as string, "filler");
      expect(check()).toMatchObject({
        name: "disk",
        status: "healthy",
        message: expect.stringMatching(/^[\d.]+ MiB of 20\.0 MiB/),
      });
      writeFileSync(file, new Uint8Array(20_200_000));
      expect(check()).toMatchObject({
        status: "degraded",
        message: expect.stringMatching(/^only [\d.]+ KiB of/),
      });
      writeFileSync(file, new Uint8Array(19_800_000));
      expect(check().status).toBe("degraded");
      writeFileSync(file, new Uint8Array(19_000_000));
      expect(check().status).toBe("healthy");
    },
  );

  test("what is little of a large disk is enough, and a file system without a size is none that is full", () => {
    const free = (blocks: number, bavail: number) =>
      diskMonitor("/", () => ({ bsize: 1_000_000, blocks, bavail }))();
    expect(free(1_000_000, 600)).toMatchObject({
      status: "healthy",
      message: expect.stringContaining("572 MiB of 931 GiB"),
    });
    expect(free(1_000_000, 400).status).toBe("degraded");
    expect(free(2000, 150).status).toBe("healthy");
    expect(free(0, 0).status).toBe("healthy");
  });
});

describe("lag", () => {
  test("a reader that has stopped is told of after a minute, and until it has caught up", async () => {
    const hub = createHub({ log: createMemoryLog(), serverId: "s", maxEventBytes: 1e6 });
    let unread = 0;
    let read = () => {};
    hub.subscribe(
      {
        id: "slow",
        identify: () => ({ version: undefined, clientId: undefined, transport: "stream", connectedAt: 0 }),
        onEvent: () => void (unread += 1_000_000),
        onGap() {},
        buffered: () => unread,
        drained: () => new Promise((resolve) => (read = resolve)),
        onFailure() {},
      },
      {},
    );
    let now = 0;
    const check = lagMonitor(hub, () => now);
    const publish = (count: number) => hub.publishBatch(Array.from({ length: count }, () => ({})));
    expect(check()).toMatchObject({ name: "lag", status: "healthy", message: "no client is behind" });
    await publish(900);
    expect(check()).toMatchObject({ status: "healthy", message: "1 client is behind, by up to 899 events" });
    await publish(900);
    now += 59_000;
    expect(check().status).toBe("healthy");
    now += 1000;
    expect(check()).toMatchObject({
      status: "degraded",
      message: "1 client is far behind, for 60 s and by up to 1799 events",
    });
    // It reads again.
    for (; hub.stats().delivery.lagging_clients > 0; await Bun.sleep(0)) {
      unread = 0;
      read();
    }
    expect(check()).toMatchObject({ status: "healthy", message: "no client is behind" });
    await hub.close();
  });
});

describe("memory", () => {
  test("is judged by what there is of it for this process", () => {
    let used = 700;
    const check = memoryMonitor({ rss: () => used, limit: () => 1000 });
    const at = (figure: number) => {
      used = figure;
      return check().status;
    };
    expect([700, 800, 750, 960, 920, 750, 600].map(at)).toEqual([
      "healthy",
      "degraded",
      "degraded",
      "unhealthy",
      "unhealthy",
      "degraded",
      "healthy",
    ]);
    expect(memoryMonitor()()).toMatchObject({
      name: "memory",
      status: "healthy",
      message: expect.stringMatching(/^[\d.]+ MiB of [\d.]+ [GT]iB are taken$/),
    });
  });

  test("growth without a pause is told of, a pause ends it, and what comes and goes is none", () => {
    let now = 0;
    let used = 1e9;
    const check = memoryMonitor({ rss: () => used, limit: () => 1e12, now: () => now });
    const minutes = (count: number, perMinute: number) => {
      for (let minute = 0; minute < count; minute += 1) {
        now += MINUTE;
        used += perMinute;
        check();
      }
      return check();
    };
    expect(minutes(60, 5e6).status).toBe("healthy");
    expect(minutes(20, 5e6)).toMatchObject({
      status: "degraded",
      message: expect.stringContaining("grown without a pause, by 286 MiB"),
    });
    expect(minutes(20, 0).status).toBe("healthy");
    for (let hour = 0; hour < 3; hour += 1) {
      expect(minutes(30, 50e6).status).toBe("healthy");
      expect(minutes(30, -50e6).status).toBe("healthy");
    }
  });
});

describe("errors", () => {
  test("failures in the last minute are counted by what is said of them in the log, whatever its level", () => {
    const logging = createLogging({ level: "ERROR", format: "text", file: null, stderr: false });
    const logger = logging.logger("test");
    let now = 0;
    const check = errorsMonitor(logging.errors, () => now);
    logger.warn("a client's mistake");
    expect(check()).toEqual({ name: "errors", status: "healthy", message: "no failure in the last minute" });
    for (let n = 0; n < 4; n += 1) logger.error("ours");
    expect(check()).toMatchObject({ status: "healthy", message: expect.stringMatching(/^4 failures/) });
    now += 30_000;
    logger.error("ours");
    expect(check()).toMatchObject({ status: "degraded", message: expect.stringMatching(/^5 failures/) });
    now += 40_000;
    expect(check()).toMatchObject({ status: "degraded", message: expect.stringMatching(/^1 failure /) });
    now += 40_000;
    expect(check().status).toBe("healthy");
  });

  test("a server whose health is asked for all the time does not remember each time", () => {
    let now = 0;
    const check = errorsMonitor(
      () => Math.floor(now / 10_000),
      () => now,
    );
    const start = performance.now();
    for (; now < 50_000; now += 0.5) check();
    expect(performance.now() - start).toBeLessThan(1000);
    expect(check()).toMatchObject({ status: "degraded", message: expect.stringMatching(/^5 failures/) });
    now += 70_000;
    expect(check()).toMatchObject({ message: expect.stringMatching(/^7 failures/) });
  });
});

describe("spool", () => {
  test("events that wait for long, and such as were given up, are told of", () => {
    const spool = openSpool(join(temporaryDirectory(), "8765", "spool"));
    let now = Date.now();
    const check = spoolMonitor(
      () => spoolStatus(spool.directory),
      () => now,
    );
    expect(check()).toMatchObject({ name: "spool", status: "healthy", message: "no event of a hook waits" });
    spool.add("{}", now - 100);
    expect(check()).toMatchObject({ status: "healthy", message: "1 event of a hook waits" });
    now += 40_000;
    expect(check()).toMatchObject({
      status: "degraded",
      message: expect.stringContaining("the oldest for 40 s"),
    });
    spool.drop(spool.next(), "refused_413");
    expect(check()).toMatchObject({ status: "degraded", message: expect.stringContaining("refused_413") });
    now += 61 * MINUTE;
    expect(check().status).toBe("healthy");
  });
});

describe("clock", () => {
  test("a clock that is set is told of for ten minutes, an adjusted one is not", () => {
    const time = { wall: 1e12, steady: 0 };
    const check = clockMonitor({ wall: () => time.wall, steady: () => time.steady, countsSleep: true });
    const pass = (steady: number, wall = steady) => {
      time.wall += wall;
      time.steady += steady;
      return check();
    };
    expect(pass(5000, 5900)).toMatchObject({ name: "clock", status: "healthy" });
    expect(pass(5000, -3_595_000)).toMatchObject({
      status: "degraded",
      message: expect.stringMatching(/^it was set back by 3600 s, 0 min ago/),
    });
    expect(pass(9 * MINUTE)).toMatchObject({
      status: "degraded",
      message: expect.stringContaining("9 min ago"),
    });
    expect(pass(MINUTE).status).toBe("healthy");
    expect(pass(5000, 65_000)).toMatchObject({
      status: "degraded",
      message: expect.stringMatching(/^it was set forward by 60 s/),
    });
  });

  test("where the steady clock sleeps too, a night's sleep is no jump", () => {
    let wall = 0;
    const check = clockMonitor({ wall: () => wall, steady: () => 0, countsSleep: false });
    wall += 8 * 60 * MINUTE;
    expect(check().status).toBe("healthy");
    wall -= MINUTE;
    expect(check().status).toBe("degraded");
  });

  test("the real clocks go on alike", async () => {
    const check = clockMonitor();
    await Bun.sleep(20);
    expect(check().status).toBe("healthy");
  });
});

describe("a running server", () => {
  const CHECKS = expect.arrayContaining([
    "log",
    "log_file",
    "disk",
    "lag",
    "spool",
    "event_loop",
    "memory",
    "errors",
    "clock",
  ]);

  test("names its checks, all with a figure or a fact, and is well", async () => {
    const server = await startTestServer();
    const { status, body } = await server.get("/health");
    expect([status, body.status, body.checks.map(({ name }: any) => name)]).toEqual([200, "healthy", CHECKS]);
    expect(body.checks.filter(({ message }: any) => message.length < 10)).toEqual([]);
  });

  test("has no check and no recovery that the documentation does not tell of", async () => {
    const docs = readFileSync(join(import.meta.dir, "..", "..", "docs", "running.md"), "utf8");
    const { body } = await (await startTestServer()).get("/health");
    const names = [...body.checks.map((check: any) => check.name), ...RECOVERIES];
    expect(names.filter((name) => !docs.includes(`\n| \`${name}\` |`))).toEqual([]);
  });

  test("whose spool cannot be read says so, and is well again by itself", async () => {
    const server = await startTestServer();
    symlinkSync("spool", server.paths.spool);
    const { body } = await server.get("/health");
    const spool = () => body.checks.find(({ name }: any) => name === "spool");
    expect([body.status, spool()]).toEqual([
      "degraded",
      { name: "spool", status: "degraded", message: expect.stringContaining("ELOOP") },
    ]);
    rmSync(server.paths.spool);
    expect((await server.get("/health")).body.status).toBe("healthy");
  });

  test("whose directory is gone still answers with all the checks there are", async () => {
    const server = await startTestServer();
    const away = `${server.paths.directory}.away`;
    renameSync(server.paths.directory, away);
    const { status, body } = await server.get("/health");
    renameSync(away, server.paths.directory);
    expect([status, body.status, body.checks.map(({ name }: any) => name)]).toEqual([
      200,
      "degraded",
      CHECKS,
    ]);
    const disk = body.checks.find(({ name }: any) => name === "disk");
    expect(disk.message).toMatch(/^it cannot be looked at: ENOENT/);
  });

  test.skipIf(!existsSync("/dev/full"))("whose log file has no room goes on, and says so", async () => {
    const server = await startTestServer({ log_file_path: "/dev/full" });
    server.logger.error("lost");
    const { body } = await server.get("/health");
    const check = body.checks.find(({ name }: any) => name === "log_file");
    expect(check).toMatchObject({ status: "degraded", message: expect.stringContaining("ENOSPC") });
    expect((await server.post("/api/events", { type: "t" })).status).toBe(200);
  });

  test("says what has changed in a line of its own", async () => {
    const server = await startTestServer({
      log_to_file: "true",
      log_level: "INFO",
      log_format: "json",
      health_check_interval: "0.1",
    });
    symlinkSync("spool", server.paths.spool);
    const line = await eventually(() =>
      readFileSync(server.paths.log, "utf8")
        .trimEnd()
        .split("\n")
        .map((text) => JSON.parse(text))
        .find(({ check }) => check === "spool"),
    );
    expect(line).toMatchObject({
      level: "WARNING",
      tag: "health",
      message: "health changed",
      status: "degraded",
      finding: expect.stringContaining("ELOOP"),
    });
  });

  test("whose log file is moved away, or could not be written, opens it anew, says why and counts it", async () => {
    const server = await startTestServer({ log_to_file: "true", log_level: "WARNING" });
    const { log } = server.paths;
    const recovered = async () => ((await Bun.file(log).exists()) ? Bun.file(log).text() : "");
    server.logger.error("first");
    renameSync(log, `${log}.old`);
    await server.get("/health");
    server.logger.error("second");
    expect(await recovered()).toMatch(
      /^\S+ ERROR +\[server\] second\n\S+ WARNING \[health\] the log file was opened anew recovery=log_file_reopened why="it was moved/,
    );

    rmSync(log);
    mkdirSync(log);
    await server.get("/health");
    server.logger.error("lost");
    const { body } = await server.get("/health");
    expect(body.checks.find(({ name }: any) => name === "log_file")).toMatchObject({
      status: "degraded",
      message: expect.stringContaining("EISDIR"),
    });
    rmSync(log, { recursive: true });
    server.logger.error("third");
    expect(await recovered()).toMatch(/third\n.+ why="EISDIR/);
    expect((await server.get("/health")).body.status).toBe("healthy");
  });
});
