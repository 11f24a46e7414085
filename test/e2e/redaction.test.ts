/** Secrets that agents send are nowhere: not on disk, and in nothing that anybody receives. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/config/paths.ts";
import type { JsonObject } from "../../src/protocol/event.ts";
import { account, binary } from "../support/binary.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { LOOKALIKES, random, type Secret, secrets } from "../support/secrets.ts";

beforeAll(async () => {
  await binary();
});

const CUSTOM = "corp-[0-9a-f]{8,}(?:-[0-9]+)+";

/** What would be found of a secret, were it there: its longest run that is not the same in every secret. */
function traces(secret: string): string[] {
  return secret.split(/[^A-Za-z0-9+/_]|\\[nr]/).filter((run) => run.length >= 10);
}

/** Every secret such that it can be known wherever it is: those that are a mere word become another, a long one. */
function recognisable([kind, secret, event]: Secret): Secret {
  if (traces(secret).length > 0) return [kind, secret, event];
  const word = `${random(14, "bcdfghjklmnpqrstvwxz")}7Q`;
  return [kind, secret.replace(/[A-Za-z0-9]+$/, word), event];
}

const planted = [...secrets(), ...secrets()].map(recognisable);
const needles = planted.flatMap(([, secret]) => traces(secret));
const corporate = `corp-${random(12, "0123456789abcdef")}-4711-42`;
needles.push(corporate);

/** Whatever of it is in a text or in bytes. */
const found = (haystack: string) => needles.filter((needle) => haystack.includes(needle));

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function foundOnDisk(directory: string): string[] {
  return filesBelow(directory).flatMap((path) =>
    found(readFileSync(path, "latin1")).map((needle) => `${path}: ${needle}`),
  );
}

/** All that a stream of events brings, as text. */
function followStream(url: string): { text: () => string } {
  let text = "";
  void (async () => {
    const response = await fetch(`${url}/api/events/stream`);
    const decoder = new TextDecoder();
    for await (const chunk of response.body as any) text += decoder.decode(chunk, { stream: true });
  })().catch(() => {});
  return { text: () => text };
}

async function setUp(settings: string[] = []) {
  const user = account();
  const port = await freePort();
  const flags = ["--port", `${port}`, "--log-level", "DEBUG", ...settings];
  const url = `http://127.0.0.1:${port}`;
  return {
    ...user,
    url,
    port: `${port}`,
    spool: serverPaths(user.stateDir, port).spool,
    async start() {
      const { exitCode, stderr } = await user.run(["start", ...flags]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    },
    stop: () => user.run(["stop", "--port", `${port}`]),
    hook: (payload: object) =>
      user.run(["hook", "--port", `${port}`, ...settings], { stdin: JSON.stringify(payload) }),
    async post(path: string, body: string, type = "application/json") {
      const response = await fetch(url + path, { method: "POST", body, headers: { "Content-Type": type } });
      expect(response.status).toBeLessThan(300);
    },
    async read(path: string) {
      return await (await fetch(url + path)).text();
    },
    async events() {
      let [text, after] = ["", 0];
      for (;;) {
        const page = await (await fetch(`${url}/api/events?limit=500&after=${after}`)).text();
        text += page;
        const { next } = JSON.parse(page) as { next: number | null };
        if (next === null) return text;
        after = next;
      }
    },
  };
}

/** As Claude Code gives it to a hook. */
const payload = (event: object, session = "planted") => ({
  session_id: session,
  cwd: "/home/dev/app",
  hook_event_name: "PostToolUse",
  tool_name: "Task",
  tool_use_id: `toolu_${random(12)}`,
  tool_input: event,
});

test("secrets planted in events of all ways are nowhere on disk, and nobody receives one", async () => {
  expect(planted.length).toBeGreaterThan(200);
  const server = await setUp(["--set", `redact_patterns=["${CUSTOM.replaceAll("\\", "\\\\")}"]`]);
  const events = planted.map(([, secret, event]) => event(secret) as JsonObject);
  events.push({ type: "own", text: `it is ${corporate}`, [`named ${corporate}`]: true, id: corporate });

  // With nobody to send to, hooks leave in the spool what they have.
  for (let from = 0; from < events.length; from += 40) {
    await server.hook(payload(events.slice(from, from + 40), "spooled"));
  }
  expect(readdirSync(server.spool).length).toBeGreaterThan(5);
  expect(foundOnDisk(server.stateDir)).toEqual([]);

  await server.start();
  await eventually(() => !existsSync(server.spool), { what: "the spool's end" });
  const [websocket, polling] = await Promise.all([
    connect(server.url),
    connect(server.url, {}, { transports: ["polling"] }),
  ]);
  const sender = await connect(server.url);
  const stream = followStream(server.url);
  await eventually(() => stream.text().includes("connected"));

  const ways: ((own: JsonObject[]) => Promise<unknown>)[] = [
    (own) => Promise.all(own.map((event) => server.post("/api/events", JSON.stringify(event)))),
    (own) => server.post("/api/events", JSON.stringify(own)),
    (own) =>
      server.post("/api/events", own.map((one) => JSON.stringify(one)).join("\n"), "application/x-ndjson"),
    (own) =>
      server.post(
        "/api/events",
        JSON.stringify(own.map((data) => ({ namespace: "/hook", event: "tool", data }))),
      ),
    (own) => Promise.all(own.map((event) => sender.socket.emitWithAck("claude_event", event))),
    (own) => Promise.all(own.map((one) => server.post("/api/hooks/claude", JSON.stringify(payload(one))))),
    (own) => server.hook(payload(own, "sent")),
  ];
  for (const way of ways) await way(events.map((event) => ({ ...event, id: undefined })));
  await server.post("/api/events", JSON.stringify(events.at(-1)));
  await server.post("/api/events", JSON.stringify({ type: "end" }));
  const isEnd = (client: typeof websocket) => client.events().some(({ type }) => type === "end");
  await eventually(() => isEnd(websocket) && isEnd(polling) && stream.text().includes('"type":"end"'));

  const { log, redacted } = JSON.parse(await server.read("/stats"));
  expect(log.last_seq).toBeGreaterThan(planted.length * 6);
  expect(Object.keys(redacted).length).toBeGreaterThan(20);
  expect(redacted.custom).toBeGreaterThan(5);
  for (const [what, text] of Object.entries({
    websocket: JSON.stringify(websocket.received),
    polling: JSON.stringify(polling.received),
    stream: stream.text(),
    events: await server.events(),
    sessions: await server.read("/api/sessions"),
    session: await server.read("/api/sessions/planted"),
    spooled: await server.read("/api/sessions/spooled"),
  })) {
    expect(text.length).toBeGreaterThan(200);
    expect({ what, found: found(text) }).toEqual({ what, found: [] });
  }
  expect(stream.text()).toContain("[redacted:custom]#");
  for (const needle of needles.slice(0, 20)) {
    expect(JSON.parse(await server.read(`/api/events?q=${encodeURIComponent(needle)}`)).returned).toBe(0);
  }

  // What is refused is not in the log file either.
  const refused = await fetch(`${server.url}/api/events`, { method: "POST", body: `{"a": ${corporate}}` });
  expect(refused.status).toBe(400);
  expect(foundOnDisk(server.home)).toEqual([]);
  await server.stop();
  expect(foundOnDisk(server.home)).toEqual([]);
}, 120_000);

test("what only looks like a secret comes through to the byte", async () => {
  const server = await setUp();
  const texts = Object.values(LOOKALIKES).flat();
  const more = Array.from({ length: 200 - texts.length }, (_, index) => lookalike(index));
  const data = [...texts, ...more].map((text) => ({ text, tool_input: { command: `echo '${text}'\n` } }));
  expect(data.length).toBeGreaterThanOrEqual(200);
  await server.hook(payload({ data }));
  await server.start();
  await server.post("/api/events", JSON.stringify(data.map((one) => ({ type: "plain", data: one }))));
  await eventually(() => !existsSync(server.spool), { what: "the spool's end" });
  const { events } = JSON.parse(await server.read("/api/events?limit=1000&type=plain"));
  for (const [index, event] of events.entries()) {
    expect(JSON.stringify(event.data)).toBe(JSON.stringify(data[index]));
  }
  const [hook] = JSON.parse(await server.read("/api/events?type=hook.*")).events;
  expect(JSON.stringify(hook.data.tool_input)).toBe(JSON.stringify({ data }));
  expect(JSON.parse(await server.read("/stats")).redacted).toEqual({});
});

function lookalike(index: number): string {
  const hex = "0123456789abcdef";
  const forms = [
    () => random(40, hex),
    () => crypto.randomUUID(),
    () => `"integrity": "sha512-${random(86)}=="`,
    () => `index ${random(7, hex)}..${random(7, hex)} 100644`,
    () => `data:image/webp;base64,UklGR${random(300)}`,
    () => `resolved "https://registry.npmjs.org/token-types/-/token-types-4.2.1.tgz#${random(40, hex)}"`,
    () => `if (tokens[${index}].type === "password") return tokens.next${index}();`,
    () => `ETag: "${random(32, hex)}"`,
  ];
  return (forms[index % forms.length] as () => string)();
}

test("with `redact` off, by choice, everything passes as it is, through the spool too", async () => {
  const server = await setUp(["--set", "redact=false"]);
  const secret = `ghp_${random(36)}`;
  await server.hook(payload({ secret }));
  await server.start();
  await eventually(() => !existsSync(server.spool), { what: "the spool's end" });
  const [event] = JSON.parse(await server.read("/api/events")).events;
  expect(event.data.tool_input.secret).toBe(secret);
});
