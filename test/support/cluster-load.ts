/** Producers and watchers on every node of a cluster, what became of each event, and what of it is wrong. */
import { io, type Socket } from "socket.io-client";
import { onEnd } from "./cleanup.ts";
import type { ClusterNode } from "./cluster.ts";
import { readEventStream } from "./event-stream.ts";

export interface LoadOptions {
  /** Stock sockets on each node, and streams (SSE), that see everything. */
  sockets?: number;
  streams?: number;
  /** Of all producers together, each half over sockets and half over HTTP; 0 is as fast as it goes. */
  perSecond?: number;
  /** Ends by itself after so many. */
  total?: number;
  /** Events in one HTTP request. */
  batch?: number;
}

export interface ClusterLoad {
  outcome: Outcome;
  /** Resolves once so many more events are acknowledged. */
  more(events: number): Promise<void>;
  /** Stops sending; resolves once all that was sent is acknowledged and every watcher has all of it. */
  finish(): Promise<Outcome>;
}

export interface Outcome {
  /** Ids of acknowledged events with the seq each was given. */
  acknowledged: Map<string, number>;
  watchers: Watcher[];
  /** How often producers were refused, by code; `none` is an answer that never came. */
  refusals: Map<string, number>;
  /** The longest time between two acknowledgements, whoever got them, in milliseconds. */
  longestPauseMs: number;
}

export interface Watcher {
  name: string;
  last: number;
  gaps: { from_seq: number; to_seq: number; reason: string }[];
  /** Connections it has lost. */
  lost: number;
  /** What does not follow what came before, or is another event than the one others saw under its seq. */
  wrong: string[];
  leave(): void;
}

const ACK_LIMIT_MS = 5000;
const AGAIN_MS = 50;
const IN_FLIGHT = 25;
const FINISH_LIMIT_MS = 60_000;

/** Begins at once; resolves when all watchers are there. */
export async function clusterLoad(
  nodes: readonly ClusterNode[],
  {
    sockets = 2,
    streams = 1,
    perSecond = 300,
    total = Number.POSITIVE_INFINITY,
    batch = 10,
  }: LoadOptions = {},
): Promise<ClusterLoad> {
  const outcome: Outcome = {
    acknowledged: new Map(),
    watchers: [],
    refusals: new Map(),
    longestPauseMs: 0,
  };
  const idOfSeq = new Map<number, string>();
  outcome.watchers = await Promise.all(
    nodes.flatMap(({ url, name }) => [
      ...Array.from({ length: sockets }, (_, n) => watchBySocket(url, `${name} socket ${n}`, idOfSeq)),
      ...Array.from({ length: streams }, (_, n) => watchByStream(url, `${name} stream ${n}`, idOfSeq)),
    ]),
  );

  let [sent, sending, lastAck] = [0, true, performance.now()];
  const takeIds = (name: string, count: number) => {
    const ids = Array.from({ length: Math.min(count, total - sent) }, (_, n) => `${name}-${sent + n}`);
    sent += ids.length;
    return ids;
  };
  const answered = (id: string, seq: number) => {
    const now = performance.now();
    outcome.longestPauseMs = Math.max(outcome.longestPauseMs, now - lastAck);
    lastAck = now;
    outcome.acknowledged.set(id, seq);
  };
  const refused = async (code: string) => {
    outcome.refusals.set(code, (outcome.refusals.get(code) ?? 0) + 1);
    await Bun.sleep(AGAIN_MS);
  };
  const going = () => sending && sent < total;
  /** One lane sends this often, so that all of them come to the rate. */
  const everyMs = (lanes: number, events: number) =>
    perSecond === 0 ? 0 : (1000 * lanes * events * nodes.length * 2) / perSecond;

  const bySocket = async ({ url, name }: ClusterNode) => {
    const socket = io(url, {
      forceNew: true,
      transports: ["websocket"],
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    });
    onEnd(() => socket.disconnect());
    const lane = async () => {
      while (going()) {
        for (const id of takeIds(`${name}-s`, 1)) {
          for (;;) {
            const answer: any = await emit(socket, { id, type: "load", node: name });
            if (answer?.ok) {
              answered(id, answer.seq);
              break;
            }
            await refused(answer?.error?.code ?? "none");
          }
        }
        await Bun.sleep(everyMs(IN_FLIGHT, 1));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    socket.disconnect();
  };

  const byHttp = async ({ url, name }: ClusterNode) => {
    while (going()) {
      const events = takeIds(`${name}-h`, batch).map((id) => ({ id, type: "load", node: name }));
      if (events.length === 0) break;
      for (;;) {
        const { status, body } = await post(url, events);
        if (status === 200) {
          // Sent again, some may have been stored by the first attempt: then only reading tells their seqs.
          if (body.duplicates === 0)
            events.forEach(({ id }, n) => answered(id, body.last_seq - events.length + 1 + n));
          else for (const { id } of events) answered(id, 0);
          break;
        }
        await refused(body?.error?.code ?? "none");
      }
      await Bun.sleep(everyMs(1, batch));
    }
  };
  const producers = Promise.all(nodes.flatMap((node) => [bySocket(node), byHttp(node)]));

  return {
    outcome,
    async more(events) {
      const wanted = outcome.acknowledged.size + events;
      const deadline = Date.now() + FINISH_LIMIT_MS;
      while (outcome.acknowledged.size < wanted) {
        if (Date.now() > deadline) throw new Error(`nothing is acknowledged any more: ${describe(outcome)}`);
        await Bun.sleep(5);
      }
    },
    async finish() {
      if (total === Number.POSITIVE_INFINITY) sending = false;
      await producers;
      const end = Math.max(0, ...outcome.acknowledged.values());
      const deadline = Date.now() + FINISH_LIMIT_MS;
      while (outcome.watchers.some(({ last }) => last < end)) {
        if (Date.now() > deadline) throw new Error(`a watcher is not at ${end}: ${describe(outcome)}`);
        await Bun.sleep(5);
      }
      for (const watcher of outcome.watchers) watcher.leave();
      return outcome;
    },
  };
}

/** What is wrong with what was stored and seen, in words; nothing, when all is as promised. */
export async function faultsOf(
  { acknowledged, watchers }: Outcome,
  nodes: readonly ClusterNode[],
): Promise<string[]> {
  const faults = watchers.flatMap(({ name, wrong, gaps }) =>
    [...wrong.slice(0, 3), ...gaps.map((gap) => `gap ${JSON.stringify(gap)}`)].map(
      (text) => `${name}: ${text}`,
    ),
  );
  const logs = await Promise.all(nodes.map(({ url }) => readLog(url)));
  logs.forEach((log, index) => {
    const { name } = nodes[index] as ClusterNode;
    const seqOf = new Map(log.map(({ id, seq }) => [id, seq]));
    const first = log[0]?.seq ?? 1;
    if (seqOf.size !== log.length) faults.push(`${name}: ${log.length - seqOf.size} ids are stored twice`);
    const hole = log.findIndex(({ seq }, n) => seq !== first + n);
    if (hole !== -1) faults.push(`${name}: after seq ${log[hole - 1]?.seq} comes ${log[hole]?.seq}`);
    const lost = [...acknowledged].filter(([id, seq]) => {
      const stored = seqOf.get(id);
      return stored === undefined || (seq !== 0 && stored !== seq);
    });
    if (lost.length > 0)
      faults.push(
        `${name}: ${lost.length} of ${acknowledged.size} acknowledged events are lost or have another seq, such as ${lost
          .slice(0, 3)
          .map(([id, seq]) => `${id} (${seq}, now ${seqOf.get(id)})`)
          .join(", ")}`,
      );
    if (JSON.stringify(log) !== JSON.stringify(logs[0])) faults.push(`${name}: its history differs`);
  });
  return faults;
}

/** Ids and seqs of all a node holds. */
export async function readLog(url: string, after = 0): Promise<{ id: string; seq: number }[]> {
  const entries: { id: string; seq: number }[] = [];
  for (let next = after; ;) {
    const page: any = await (await fetch(`${url}/api/events?after=${next}&limit=1000`)).json();
    if (page.next === null) return entries;
    entries.push(...page.events.map(({ id, seq }: any) => ({ id, seq })));
    next = page.next;
  }
}

export interface HealthWatch {
  /** By node, the states of its log in the order they came; `away` is a node that does not answer. */
  states: Map<string, string[]>;
  messages: Set<string>;
  stop(): void;
}

/** Looks at every node's health all the time. */
export function watchHealth(nodes: readonly ClusterNode[]): HealthWatch {
  const states = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  const messages = new Set<string>();
  let going = true;
  for (const node of nodes) {
    const seen = states.get(node.name) as string[];
    void (async () => {
      while (going) {
        const check = await node.logCheck();
        const status = check?.status ?? "away";
        if (seen.at(-1) !== status) seen.push(status);
        if (check && check.status !== "healthy") messages.add(check.message);
        await Bun.sleep(25);
      }
    })();
  }
  return {
    states,
    messages,
    stop: () => {
      going = false;
    },
  };
}

function describe({ acknowledged, watchers, refusals }: Outcome): string {
  const where = watchers.map(({ name, last, lost }) => `${name} at ${last}, lost ${lost} times`);
  return `${acknowledged.size} acknowledged, refused ${JSON.stringify([...refusals])}; ${where.join("; ")}`;
}

/** What it says of an event, or null when it says nothing in time. */
async function emit(socket: Socket, event: object): Promise<unknown> {
  try {
    return await socket.timeout(ACK_LIMIT_MS).emitWithAck("claude_event", event);
  } catch {
    return null;
  }
}

async function post(url: string, events: object[]): Promise<{ status: number; body: any }> {
  try {
    const response = await fetch(`${url}/api/events`, {
      method: "POST",
      body: JSON.stringify(events),
      signal: AbortSignal.timeout(ACK_LIMIT_MS),
    });
    return { status: response.status, body: await response.json() };
  } catch {
    return { status: 0, body: null };
  }
}

/** Notes an event that a watcher was sent. */
function note(
  watcher: Watcher,
  idOfSeq: Map<number, string>,
  { seq, id }: { seq: number; id: string },
): void {
  if (watcher.last !== -1 && seq !== watcher.last + 1) watcher.wrong.push(`${seq} follows ${watcher.last}`);
  watcher.last = seq;
  const known = idOfSeq.get(seq);
  if (known === undefined) idOfSeq.set(seq, id);
  else if (known !== id) watcher.wrong.push(`${seq} is ${id}, to others it is ${known}`);
}

function newWatcher(name: string): Watcher {
  return { name, last: -1, gaps: [], lost: 0, wrong: [], leave: () => {} };
}

/** A stock client that resumes where it was. */
async function watchBySocket(url: string, name: string, idOfSeq: Map<number, string>): Promise<Watcher> {
  const watcher = newWatcher(name);
  let epoch: string | null = null;
  const socket = io(url, {
    forceNew: true,
    transports: ["websocket"],
    auth: (give) => give(epoch === null ? {} : { resume: { epoch, seq: watcher.last } }),
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  onEnd(() => socket.disconnect());
  watcher.leave = () => {
    socket.off("disconnect");
    socket.disconnect();
  };
  socket.on("disconnect", () => {
    watcher.lost += 1;
  });
  socket.on("history_gap", (gap) => {
    watcher.gaps.push(gap);
    watcher.last = gap.to_seq;
  });
  socket.on("claude_event", (event) => note(watcher, idOfSeq, event));
  await new Promise<void>((resolve) =>
    socket.on("connection_ack", (position) => {
      if (watcher.last === -1) watcher.last = position.last_seq;
      epoch = position.epoch;
      resolve();
    }),
  );
  return watcher;
}

/** A stream, taken up again by its last `id:`. */
async function watchByStream(url: string, name: string, idOfSeq: Map<number, string>): Promise<Watcher> {
  const watcher = newWatcher(name);
  const { epoch, last_seq }: any = await (await fetch(`${url}/api/events?limit=1`)).json();
  watcher.last = last_seq;
  let lastId = `${epoch}:${last_seq}`;
  const leaving = new AbortController();
  watcher.leave = () => leaving.abort();
  onEnd(watcher.leave);
  const onMessage = (text: string) => {
    const field = (key: string) => new RegExp(`^${key}: ?(.*)$`, "m").exec(text)?.[1];
    const data = field("data");
    lastId = field("id") ?? lastId;
    if (data === undefined) return;
    if (field("event") === "history_gap") {
      watcher.gaps.push(JSON.parse(data));
      watcher.last = JSON.parse(data).to_seq;
    } else if (field("event") === undefined) note(watcher, idOfSeq, JSON.parse(data));
  };
  const follow = async () => {
    const response = await fetch(`${url}/api/events/stream`, {
      headers: { "last-event-id": lastId },
      signal: leaving.signal,
    });
    if (!response.ok || !response.body) return;
    await readEventStream(response.body, onMessage);
  };
  void (async () => {
    while (!leaving.signal.aborted) {
      await follow().catch(() => {});
      if (leaving.signal.aborted) return;
      watcher.lost += 1;
      await Bun.sleep(AGAIN_MS);
    }
  })();
  return watcher;
}
