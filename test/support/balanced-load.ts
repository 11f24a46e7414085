/** Clients of every kind that reach the nodes of a cluster through one URL, and what each of them saw. */
import { join } from "node:path";
import { io } from "socket.io-client";
import { onEnd } from "./cleanup.ts";
import { readEventStream } from "./event-stream.ts";
import { eventually } from "./eventually.ts";
import { missingPython, runPython } from "./python.ts";

export interface Follower {
  name: string;
  /** Of the last event it saw, or of the log's end when it came. */
  last: number;
  seen: number;
  /** Times it had to connect again. */
  returns: number;
  /** What does not follow what came before, or is not what others saw under that seq; and gaps. */
  wrong: string[];
}

export interface BalancedLoad {
  followers: Follower[];
  /** Ids of acknowledged events. */
  acknowledged: Set<string>;
  /** Answers to a POST that were none: by status, 0 where the connection was lost. Each was sent again. */
  refused: Map<number, number>;
  /** Stops sending; resolves once every follower has seen the last event that was acknowledged. */
  finish(): Promise<void>;
}

export interface BalancedLoadOptions {
  /** Of each kind: polling, WebSocket, upgraded, stream; and one Python client of each of three kinds. */
  each: number;
  perSecond: number;
}

const PYTHON = join(import.meta.dir, "..", "compat", "follower.py");
const PRODUCERS = 4;
const AGAIN_MS = 50;

/** Begins at once; resolves when all followers are there. */
export async function balancedLoad(
  url: string,
  { each, perSecond }: BalancedLoadOptions,
): Promise<BalancedLoad> {
  /** By seq, whoever saw it first. */
  const ids = new Map<number, string>();
  const note = (follower: Follower, seq: number, id: string) => {
    if (seq !== follower.last + 1) follower.wrong.push(`${seq} follows ${follower.last}`);
    const known = ids.get(seq) ?? id;
    ids.set(seq, known);
    if (known !== id) follower.wrong.push(`${seq} is ${id}, for others ${known}`);
    follower.last = seq;
    follower.seen += 1;
  };
  const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];
  const numbers = Array.from({ length: each }, (_, n) => n);
  const followers = await Promise.all([
    ...kinds.flatMap((transports) => numbers.map((n) => followBySocket(url, n, transports, note))),
    ...numbers.map((n) => followByStream(url, n, note)),
    ...(missingPython === null
      ? [
          followByPython(url, { transports: ["polling"], async: false }, note),
          followByPython(url, { transports: ["polling"], async: true }, note),
          followByPython(url, { transports: null, async: true }, note),
        ]
      : []),
  ]);

  const acknowledged = new Set<string>();
  const refused = new Map<number, number>();
  let [sending, end] = [true, 0];
  const produce = async (producer: number) => {
    for (let n = 0; sending; n += 1) {
      const id = `${producer}-${n}`;
      for (;;) {
        const { status, last_seq } = await post(url, { id, type: "load", producer, n });
        if (status === 200) {
          acknowledged.add(id);
          end = Math.max(end, last_seq);
          break;
        }
        refused.set(status, (refused.get(status) ?? 0) + 1);
        await Bun.sleep(AGAIN_MS);
      }
      await Bun.sleep((1000 * PRODUCERS) / perSecond);
    }
  };
  const producers = Promise.all(Array.from({ length: PRODUCERS }, (_, n) => produce(n)));
  return {
    followers,
    acknowledged,
    refused,
    async finish() {
      sending = false;
      await producers;
      const behind = () =>
        followers.filter(({ last }) => last < end).map(({ name, last }) => `${name} at ${last}`);
      await eventually(() => behind().length === 0, { limitMs: 30_000, what: "the last event" }).catch(
        (error) => {
          throw new Error(`${error.message} (${end}): ${behind().join(", ")}`);
        },
      );
    },
  };
}

type Note = (follower: Follower, seq: number, id: string) => void;

function newFollower(name: string): Follower {
  return { name, last: -1, seen: 0, returns: -1, wrong: [] };
}

function onGap(follower: Follower, gap: { to_seq: number }): void {
  follower.wrong.push(`gap ${JSON.stringify(gap)}`);
  follower.last = gap.to_seq;
}

/** It has come, for the first time or again. */
function onGreeted(follower: Follower, seq: number): void {
  follower.returns += 1;
  if (follower.last === -1) follower.last = seq;
}

/** A stock client, told in `auth` where it was. */
async function followBySocket(url: string, n: number, transports: string[], note: Note): Promise<Follower> {
  const follower = newFollower(`${transports.join("+")} ${n}`);
  let epoch: string | null = null;
  const socket = io(url, {
    forceNew: true,
    transports,
    auth: (give) => give(epoch === null ? {} : { resume: { epoch, seq: follower.last } }),
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  onEnd(() => socket.disconnect());
  socket.on("connection_ack", (position) => {
    epoch = position.epoch;
    onGreeted(follower, position.last_seq);
  });
  socket.on("claude_event", ({ seq, id }) => note(follower, seq, id));
  socket.on("history_gap", (gap) => onGap(follower, gap));
  await eventually(() => follower.returns >= 0, { what: follower.name });
  return follower;
}

/** As `EventSource` does it: again and again with the last id. */
async function followByStream(url: string, n: number, note: Note): Promise<Follower> {
  const follower = newFollower(`stream ${n}`);
  const leaving = new AbortController();
  onEnd(() => leaving.abort());
  const { epoch, last_seq } = (await (await fetch(`${url}/api/events?limit=1`)).json()) as any;
  let lastId = `${epoch}:${last_seq}`;

  const onMessage = (message: string) => {
    const field = (key: string) => new RegExp(`^${key}: ?(.*)$`, "m").exec(message)?.[1];
    lastId = field("id") ?? lastId;
    const data = field("data");
    if (message.startsWith(": connected")) onGreeted(follower, last_seq);
    else if (data !== undefined && field("event") === "history_gap") onGap(follower, JSON.parse(data));
    else if (data !== undefined) note(follower, JSON.parse(data).seq, JSON.parse(data).id);
  };
  const follow = async () => {
    const headers = { "Last-Event-ID": lastId };
    const { body, ok } = await fetch(`${url}/api/events/stream`, { headers, signal: leaving.signal });
    if (!ok || !body) return;
    await readEventStream(body, onMessage);
  };
  void (async () => {
    while (!leaving.signal.aborted) {
      await follow().catch(() => {});
      await Bun.sleep(AGAIN_MS);
    }
  })();
  await eventually(() => follower.returns >= 0, { what: follower.name });
  return follower;
}

async function followByPython(
  url: string,
  options: { transports: string[] | null; async: boolean },
  note: Note,
): Promise<Follower> {
  const { transports, async: isAsync } = options;
  const name = `python ${isAsync ? "async" : "sync"} ${transports?.join() ?? "upgraded"}`;
  const follower = newFollower(name);
  runPython(PYTHON, [JSON.stringify({ url, ...options })], (line) => {
    if (line.at === "ack") onGreeted(follower, line.seq);
    else if (line.gap !== undefined) onGap(follower, line.gap);
    else note(follower, line.seq, line.id);
  });
  await eventually(() => follower.returns >= 0, { what: name });
  return follower;
}

async function post(url: string, event: object): Promise<{ status: number; last_seq: number }> {
  try {
    const response = await fetch(`${url}/api/events`, { method: "POST", body: JSON.stringify(event) });
    const { last_seq = 0 } = (await response.json().catch(() => ({}))) as { last_seq?: number };
    return { status: response.status, last_seq };
  } catch {
    return { status: 0, last_seq: 0 };
  }
}
