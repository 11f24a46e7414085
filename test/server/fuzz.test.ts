/**
 * Whatever is sent, the server goes on: every answer has a status, every refusal a code, and nothing stays behind. A
 * failure prints its seed; `FUZZ_SEED=… bun test ./test/server/fuzz.test.ts` does the same again.
 */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { agentEvents, take } from "../support/agent-events.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { mutate, pick, randomFrom } from "../support/mutate.ts";
import { freePort } from "../support/ports.ts";
import { secrets } from "../support/secrets.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { SOAK } from "../support/soak.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const INPUTS = SOAK ? 100_000 : 3000;
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
const AT_ONCE = 32;
/** Descriptors that come and go. */
const SOME_OPEN = 8;
/** An input that is not whole is waited for no longer. */
const SILENCE_MS = 40;

const random = randomFrom(SEED);
const text = (value: unknown) => JSON.stringify(value);
const events = [
  ...take(agentEvents(3), 8),
  ...secrets()
    .slice(0, 40)
    .map(([, secret, event]) => event(secret)),
];
const hooks = events.map((data) => ({ session_id: "s", hook_event_name: "PreToolUse", tool_input: data }));
const http = (line: string, body = "", headers = "") =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}${body === "" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`;
const upgrade =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const PACKETS = [
  ...events.map((event) => `420${text(["claude_event", event])}`),
  '40{"claude_mpm_version":"0.7.0","resume":{"epoch":"e","seq":3}}',
  '421["subscribe",{"types":["hook.*"],"project":"app"}]',
  '422["get_history",{"limit":5,"after":0,"type":"hook.*"}]',
  '42["ping"]',
  '423["get_status"]',
  '451-["claude_event",{"_placeholder":true,"num":0}]',
  "3",
  "2probe",
  "41",
  "5",
].map((packet) => Buffer.from(packet));
const BODIES = [
  ...events.map(text),
  text(events.slice(0, 4)),
  events.slice(0, 4).map(text).join("\n"),
  text({ namespace: "/hook", event: "tool", data: events[0] }),
  ...hooks.slice(0, 8).map(text),
  text({ client_version: "0.7.0" }),
].map((body) => Buffer.from(body));
const QUERIES = [
  "limit=5&after=0&type=hook.*&session_id=s&project=app&since=2026-01-01T00:00:00Z&until=2027-01-01&q=test",
  "state=working&project=app&limit=10",
  "EIO=4&transport=polling&sid=abc",
  "type=a&type=b&before=9&limit=0",
].map((query) => Buffer.from(query));
const REQUESTS = [
  http("GET /health"),
  http("GET /api/events?limit=3"),
  http("GET /api/sessions/s"),
  http("GET /socket.io/?EIO=4&transport=polling"),
  http("GET /socket.io/?EIO=4&transport=websocket", "", upgrade),
  http("GET /api/events/stream", "", "Last-Event-ID: e:1\r\n"),
  http("POST /api/events", text(events[0]), "Content-Type: application/json\r\n"),
  http("POST /api/events", events.slice(0, 3).map(text).join("\n"), "Content-Type: application/x-ndjson\r\n"),
  http("POST /api/hooks/claude", text(hooks[0])),
  http("OPTIONS /api/events", "", "Origin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n"),
  `${http("POST /api/events", "", "Transfer-Encoding: chunked\r\n")}1a\r\n{"type":"chunked","n":12345}\r\n0\r\n\r\n`,
].map((request) => Buffer.from(request));
const ALL = [...PACKETS, ...BODIES, ...QUERIES, ...REQUESTS];

interface Answer {
  /** Null where there is none. */
  status: number | null;
  /** Whether it is the server's own, not that of Bun's parser. */
  isOurs: boolean;
  body: string;
}

const NO_ANSWER: Answer = { status: null, isOurs: false, body: "" };

let server: ServerProcess;
let port: number;
let log: string;
beforeAll(async () => {
  const directory = temporaryDirectory();
  port = await freePort();
  log = join(directory, "log");
  const settings = [`log_file_path=${log}`, "max_history_size=1000", "ping_interval=2", "ping_timeout=2"];
  server = await startServerProcess(directory, port, settings);
});

/** Sends bytes on a connection of their own, after others where some are given. */
function sendRaw(bytes: Buffer, first?: { bytes: Buffer; until: string }): Promise<Answer> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    let isWaiting = first !== undefined;
    const socket: Socket = connect(port, "127.0.0.1", () => socket.write(first?.bytes ?? bytes));
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(read(received.toString("latin1")));
    };
    let timer = setTimeout(end, SILENCE_MS * 10);
    socket.on("error", end);
    socket.on("close", end);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (isWaiting && received.includes(first?.until ?? "")) {
        isWaiting = false;
        socket.write(bytes);
      }
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    });
    socket.on("connect", () => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS * (first ? 10 : 1));
    });
  });
}

function read(answer: string): Answer {
  if (answer === "") return NO_ANSWER;
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const isOurs = /^x-server-version:/im.test(head);
  return { status, isOurs, body: rest.join("\r\n\r\n").split(/HTTP\/1\.1 \d{3}/)[0] ?? "" };
}

async function ask(path: string, init?: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(`${server.url}${path}`, {
      ...init,
      // Connections that are kept would count as open.
      keepalive: false,
      signal: AbortSignal.timeout(20_000),
    });
    const isStream = response.headers.get("content-type") === "text/event-stream";
    if (isStream) await response.body?.cancel();
    const body = isStream ? "" : await response.text();
    return { status: response.status, isOurs: response.headers.has("x-server-version"), body };
  } catch (error) {
    // A path that no client can send.
    return error instanceof TypeError ? NO_ANSWER : { status: Number.NaN, isOurs: true, body: String(error) };
  }
}

/** A text as a frame, masked with zeros (RFC 6455, 5.2). */
function frameOf(payload: Buffer, opcode = 0x81): Buffer {
  const { length } = payload;
  const size =
    length < 126
      ? [0x80 | length]
      : length < 65_536
        ? [0x80 | 126, length >> 8, length & 0xff]
        : [0x80 | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff];
  return Buffer.concat([Buffer.from([opcode, ...size, 0, 0, 0, 0]), payload]);
}

const HANDSHAKE = {
  bytes: Buffer.from(http("GET /socket.io/?EIO=4&transport=websocket", "", upgrade)),
  until: "0{",
};
const joined = frameOf(Buffer.from("40"));

let sid: string | null = null;
async function poll(body: Buffer): Promise<Answer> {
  if (sid === null || random(20) === 0) {
    const opened = await ask("/socket.io/?EIO=4&transport=polling");
    sid = /"sid":"([^"]+)"/.exec(opened.body)?.[1] ?? null;
    await ask(`/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "40" });
  }
  const answer = await ask(`/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
    method: "POST",
    body: new Uint8Array(body),
  });
  if (answer.status !== 200) sid = null;
  return answer;
}

type Way = { from: readonly Buffer[]; send(input: Buffer): Promise<Answer> };

const WAYS: Record<string, Way> = {
  "a packet in a frame": {
    from: PACKETS,
    send: (input) => sendRaw(Buffer.concat([joined, frameOf(input)]), HANDSHAKE),
  },
  "a packet in a binary frame": {
    from: PACKETS,
    send: (input) => sendRaw(Buffer.concat([joined, frameOf(input, 0x82)]), HANDSHAKE),
  },
  frames: {
    from: PACKETS.map((packet) => Buffer.concat([joined, frameOf(packet), frameOf(packet)])),
    send: (input) => sendRaw(input, HANDSHAKE),
  },
  "a polling body": {
    from: [...PACKETS, Buffer.concat([Buffer.from("40\x1e"), ...PACKETS.slice(0, 3)])],
    send: poll,
  },
  "an HTTP request": { from: REQUESTS, send: (input) => sendRaw(input) },
  "a body of events": {
    from: BODIES,
    send: (input) => ask("/api/events", { method: "POST", body: new Uint8Array(input) }),
  },
  "a hook": {
    from: BODIES,
    send: (input) => ask("/api/hooks/claude", { method: "POST", body: new Uint8Array(input) }),
  },
  "a version": {
    from: BODIES,
    send: (input) => ask("/compatibility", { method: "POST", body: new Uint8Array(input) }),
  },
  "a query": {
    from: QUERIES,
    send: (input) =>
      ask(
        `${pick(random, ["/api/events", "/api/sessions", "/socket.io/", "/api/events/stream"])}?${encodeURI(input.toString("latin1"))}`,
      ),
  },
};

/** What is wrong with an answer, or null. */
function problemOf({ status, isOurs, body }: Answer): string | null {
  if (status === null) return null;
  if (!(status >= 100 && status < 600)) return `no status: ${body}`;
  if (status < 400 || !isOurs) return null;
  if (status >= 500 && status !== 503) return `status ${status}`;
  try {
    const { error } = JSON.parse(body.slice(body.indexOf("{")));
    return typeof error.code === "string" ? null : `no code: ${body}`;
  } catch {
    return `no error in the body: ${body}`;
  }
}

const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length;
const residentMiB = () =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024;

/** As low as a few looks find it. */
async function settled(look: () => number): Promise<number> {
  const values: number[] = [];
  for (let looks = 0; looks < 5; looks += 1) {
    values.push(look());
    await Bun.sleep(SOAK ? 500 : 20);
  }
  return Math.min(...values);
}

test(
  `${INPUTS} changed packets, frames and requests break nothing (seed ${SEED})`,
  async () => {
    const counts = new Map<string, number>();
    const failures: object[] = [];
    const figures: { memory: number; open: number }[] = [];
    const names = Object.keys(WAYS);
    const tenth = Math.ceil(INPUTS / 10);
    for (let done = 0; done < INPUTS && failures.length < 3;) {
      const some = Array.from({ length: Math.min(AT_ONCE, INPUTS - done) }, () => {
        const name = pick(random, names);
        const { from, send } = WAYS[name] as Way;
        return { name, send, input: mutate(random, pick(random, from), ALL) };
      });
      await Promise.all(
        some.map(async ({ name, send, input }) => {
          const answer = await send(input);
          const problem = problemOf(answer);
          if (problem !== null) failures.push({ way: name, problem, input: input.toString("base64") });
          const kind = answer.status === null ? "no answer" : `${answer.status}`;
          const who = answer.isOurs || answer.status === null || answer.status < 400 ? "" : " of Bun's";
          counts.set(kind + who, (counts.get(kind + who) ?? 0) + 1);
        }),
      );
      done += some.length;
      if (Math.floor(done / tenth) > figures.length) {
        figures.push({ memory: await settled(residentMiB), open: await settled(descriptors) });
      }
    }

    if (SOAK)
      process.stdout.write(
        `${JSON.stringify({ seed: SEED, answers: Object.fromEntries(counts), figures })}\n`,
      );
    expect({ seed: SEED, failures }).toEqual({ seed: SEED, failures: [] });
    expect(counts.get("200")).toBeGreaterThan(INPUTS / 50);
    expect(counts.get("400")).toBeGreaterThan(INPUTS / 50);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    const said = existsSync(log) ? readFileSync(log, "utf8") : "";
    expect(said.split("\n").filter((line) => /uncaught|unhandled|failed/i.test(line))).toEqual([]);

    const [, second, last] = [null, figures[1], figures.at(-1)];
    expect(last?.memory).toBeLessThan((second?.memory ?? 0) * 1.2 + 20);
    // Sessions over polling that nobody asks for end with their ping.
    await eventually(() => descriptors() <= (second?.open ?? 0) + SOME_OPEN, {
      limitMs: 15_000,
      what: "closed descriptors",
    });
  },
  SOAK ? 3_600_000 : 120_000,
);

onEnd(() => server?.signal("SIGKILL"));
