/** Finds a server, stays with it, and comes back to where it was after whatever happens in between. */
import type { Compatibility } from "../protocol/compatibility.ts";
import type { JsonObject } from "../protocol/event.ts";
import type { ConnectionAck, EventAck, HistoryGap } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";
import { type Connection, openConnection } from "./connection.ts";
import {
  bestOf,
  DEFAULT_CLIENT_VERSION,
  DEFAULT_HOSTS,
  DEFAULT_PORTS,
  type DiscoveredServer,
  type DiscoverOptions,
  discoverServers,
  type JudgedServer,
  judgeServers,
  probeServers,
} from "./discovery.ts";
import { Emitter } from "./emitter.ts";
import { EventRefused, isTemporary, Outbox, refusal } from "./outbox.ts";
import { Position } from "./position.ts";
import { EventSender, type Stored } from "./sender.ts";

/** What a `ClientManager` tells of. */
export interface ClientEvents {
  /** A compatible server has greeted it; `again` when it had been connected before. */
  connected: { server: DiscoveredServer; again: boolean };
  /** The connection is lost; it is looking for a server again, the same one first. */
  disconnected: { reason: string };
  /** An attempt found no server it can use; the next one comes after so many milliseconds. */
  retrying: { failures: number; delayMs: number };
  /** An event of somebody else, each once and in the order of `seq`; own ones do not come back. */
  event: JsonObject;
  /** Events that will not come, because the log no longer holds them or is another one. */
  gap: HistoryGap;
  /** A server does not take this client's version. It is left alone and the search goes on; said once per answer. */
  incompatible: { server: DiscoveredServer; compatibility: Compatibility };
  /** The buffer was full: this event, the oldest that waited, is lost; `dropped` counts all. */
  buffer_dropped: { event: JsonObject; dropped: number };
  /** The server will never store this event; it is out of the buffer. */
  event_refused: { event: JsonObject; error: EventRefused };
}

export interface ClientManagerOptions extends DiscoverOptions {
  /** The only place to look, instead of `hosts` and `ports`. */
  url?: string;
  /** Of claude-mpm, as servers judge it. */
  clientVersion?: string;
  /** Told to the server; one is made when not given. */
  clientId?: string;
  /** Narrows the events that come. */
  subscribe?: { session_id?: string; project?: string; types?: string[] };
  /** Where an earlier manager was (`position`): what came since then comes first. Without it events come from now on. */
  resume?: ResumePosition;
  /** Quick attempts before it pauses; only the last of them takes another server than the one that is lost. */
  maxConnectionAttempts?: number;
  /** Milliseconds before it tries again, growing from the one to the other, by chance a little more or less. */
  reconnectionDelayMs?: number;
  reconnectionDelayMaxMs?: number;
  /** Milliseconds of the pause after the quick attempts. */
  pauseMs?: number;
  /** Milliseconds for a connection to be made and greeted. */
  connectTimeoutMs?: number;
  /** What may wait for a server; beyond it the oldest is dropped. */
  maxBufferedEvents?: number;
  maxBufferedBytes?: number;
}

/** Events under way at once: enough to fill the line, few enough not to flood a server that has just started. */
const WINDOW = 100;
/** A message around an event: packet types, an acknowledgement's number, the event's name. */
const PACKET_BYTES = 64;
const SEND_AGAIN_MS = 1000;

/**
 * A client that looks for a server until it finds one, for ever, and resumes where it was. What it is given to send
 * before or between connections waits, and is sent in order with an id of its own, so that the server stores it once
 * however often it has to be sent.
 */
export class ClientManager extends EventSender {
  readonly clientId: string;
  readonly #options: ClientManagerOptions;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #outbox: Outbox;
  readonly #position: Position;
  /** The beginning of the ids of everything sent from here: what comes back with it is an own event. */
  readonly #idPrefix = `${crypto.randomUUID()}-`;
  #sent = 0;
  #dropped = 0;
  #ended: AbortController | null = null;
  #url: string | undefined;
  #connection: Connection | null = null;
  #server: DiscoveredServer | null = null;
  #connectedBefore = false;
  #incompatible = new Map<string, string>();
  #holdTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientManagerOptions = {}) {
    super();
    const { maxBufferedEvents = 1000, maxBufferedBytes = 16 * 1024 * 1024 } = options;
    this.#options = options;
    this.clientId = options.clientId ?? `client-${crypto.randomUUID().slice(0, 8)}`;
    this.#position = new Position(options.resume ?? null);
    this.#outbox = new Outbox({
      maxEvents: maxBufferedEvents,
      maxBytes: maxBufferedBytes,
      onDropped: (event) => {
        this.#dropped += 1;
        this.#emitter.emit("buffer_dropped", { event, dropped: this.#dropped });
      },
    });
  }

  /** Calls the listener with each of these events; returns how to end that. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (payload: ClientEvents[Name]) => void,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  get state(): "stopped" | "searching" | "connected" {
    if (!this.#ended) return "stopped";
    return this.#connection ? "connected" : "searching";
  }

  /** The server it is connected to, or was last; null before the first. */
  get server(): DiscoveredServer | null {
    return this.#server;
  }

  /** How far it has read: `resume` for a manager that shall go on from here. */
  get position(): ResumePosition | null {
    return this.#position.current;
  }

  /** Events that wait to be stored. */
  get buffered(): number {
    return this.#outbox.size;
  }

  /** Events that were dropped because the buffer was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Begins to look for a server, and returns at once; does nothing when it has begun.
   *
   * @param url the only place to look until it is stopped, whatever the options say
   */
  start(url?: string): this {
    if (this.#ended) return this;
    this.#url = url ?? this.#options.url;
    this.#ended = new AbortController();
    void this.#run(this.#ended.signal);
    return this;
  }

  /** The old name of `start`. */
  startConnectionManager(): this {
    return this.start();
  }

  /** Waits until everything given to it is stored or refused; false when that takes longer than the limit. */
  flush(limitMs: number): Promise<boolean> {
    return within(limitMs, (resolve) => this.#outbox.whenEmpty(resolve));
  }

  /** Waits until it is connected; false when that takes longer than the limit. */
  whenConnected(limitMs: number): Promise<boolean> {
    return within(limitMs, (resolve) => {
      if (this.state === "connected") resolve();
      return this.on("connected", resolve);
    });
  }

  /** Disconnects and gives up what still waits; to wait for that, `flush` first. It can be started again. */
  stop(): void {
    this.#ended?.abort();
    this.#ended = null;
    this.#disconnect();
    this.#outbox.clear(
      new EventRefused("stopped", "The client was stopped", "Call start, and send it again"),
    );
  }

  /** The old name of `stop`. */
  stopConnectionManager(): void {
    this.stop();
  }

  protected override send(type: string, fields: JsonObject): Promise<Stored> {
    const stored = this.#outbox.add({
      type,
      timestamp: new Date().toISOString(),
      client_version: this.#options.clientVersion ?? DEFAULT_CLIENT_VERSION,
      ...fields,
      id: `${this.#idPrefix}${(this.#sent += 1)}`,
    });
    this.#pump();
    return stored;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { maxConnectionAttempts: limit = 3, pauseMs = 30_000 } = this.#options;
    const { reconnectionDelayMs: first = 1000, reconnectionDelayMaxMs: most = 5000 } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const lost = await this.#attempt(signal, failures % limit === limit - 1);
      if (signal.aborted) return;
      failures = lost ? 0 : failures + 1;
      const quick = failures % limit;
      const delayMs =
        failures > 0 && quick === 0
          ? pauseMs
          : Math.min(most, first + Math.random() * first * 2 ** Math.max(quick - 1, 0));
      if (!lost) this.#emitter.emit("retrying", { failures, delayMs });
      await pause(delayMs, signal);
    }
  }

  /** Looks once; true when a connection was made, which by then is lost. */
  async #attempt(signal: AbortSignal, anyServer: boolean): Promise<boolean> {
    const server = this.#choose(await this.#look(), anyServer);
    if (signal.aborted || !server) return false;
    let greeted = false;
    const reason = await new Promise<string>((resolve) => {
      signal.addEventListener("abort", () => resolve("stopped"), { once: true });
      const connection = openConnection(
        server.url,
        { auth: this.#auth(), timeoutMs: this.#options.connectTimeoutMs ?? 5000 },
        {
          onGreeting: (ack) => {
            greeted = this.#greet(server, connection, ack);
            if (!greeted) resolve("incompatible");
          },
          onEvent: (event) => this.#receive(event),
          onGap: (gap) => {
            this.#position.gap(gap);
            this.#emitter.emit("gap", gap);
          },
          onLost: resolve,
        },
      );
      signal.addEventListener("abort", () => connection.close(), { once: true });
    });
    this.#disconnect();
    if (greeted && !signal.aborted) this.#emitter.emit("disconnected", { reason });
    return greeted;
  }

  async #look(): Promise<JudgedServer[]> {
    const { hosts = DEFAULT_HOSTS, ports = DEFAULT_PORTS } = this.#options;
    const options = { ...this.#options, hosts, ports };
    const found = this.#url ? await probeServers([this.#url], options) : await discoverServers(options);
    return judgeServers(found, options);
  }

  /** While the server it was with may only be restarting, others would be a change of log. */
  #choose(servers: readonly JudgedServer[], anyServer: boolean): JudgedServer | null {
    for (const { compatibility, ...server } of servers) {
      if (compatibility && !compatibility.compatible) this.#tellIncompatible(server, compatibility);
    }
    const known = this.#server?.version.server_id;
    const same = servers.filter(({ version }) => version.server_id === known);
    return bestOf(same) ?? (known === undefined || anyServer ? bestOf(servers) : null);
  }

  #tellIncompatible(server: DiscoveredServer, compatibility: Compatibility): void {
    const answer = JSON.stringify([server.version.server_version, compatibility.warnings]);
    if (this.#incompatible.get(server.url) === answer) return;
    this.#incompatible.set(server.url, answer);
    this.#emitter.emit("incompatible", { server, compatibility });
  }

  #auth(): JsonObject {
    const { clientVersion = DEFAULT_CLIENT_VERSION, subscribe } = this.#options;
    const { current: resume } = this.#position;
    return {
      claude_mpm_version: clientVersion,
      client_id: this.clientId,
      ...(subscribe ? { subscribe } : {}),
      ...(resume ? { resume } : {}),
    };
  }

  /** False when the server, asked and compatible a moment ago, is not any more. */
  #greet(
    { compatibility: _asked, ...server }: JudgedServer,
    connection: Connection,
    ack: ConnectionAck,
  ): boolean {
    if (ack.compatibility?.compatible === false) {
      connection.close();
      this.#tellIncompatible(server, ack.compatibility);
      return false;
    }
    this.#incompatible.delete(server.url);
    this.#connection = connection;
    this.#server = server;
    this.#position.greeted(ack);
    this.#emitter.emit("connected", { server, again: this.#connectedBefore });
    this.#connectedBefore = true;
    this.#pump();
    return true;
  }

  #receive(event: JsonObject): void {
    if (!this.#position.takes(event.seq)) return;
    const { id, seq } = event;
    // Sent on an earlier connection: its acknowledgement may be what was lost.
    if (typeof id === "string" && id.startsWith(this.#idPrefix)) this.#outbox.stored(id, Number(seq));
    else this.#emitter.emit("event", event);
  }

  #disconnect(): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.#connection?.close();
    this.#connection = null;
    this.#outbox.unsent();
  }

  /** Sends what waits, as far as the window is open. */
  #pump(): void {
    const connection = this.#connection;
    if (!connection || this.#holdTimer) return;
    for (const { event, bytes } of this.#outbox.take(WINDOW)) {
      // Sent all the same it would cost the connection, and be sent again on the next one.
      if (bytes + PACKET_BYTES > connection.maxMessageBytes())
        this.#refuse(event.id, refusal("event_too_large"));
      else connection.send(event, (answer) => this.#answered(event.id, answer));
    }
  }

  #answered(id: string, answer: EventAck | undefined): void {
    if (answer?.ok === false) {
      const { code, message, hint } = answer.error;
      if (isTemporary(code)) return this.#sendLater(id);
      this.#refuse(id, new EventRefused(code, message, hint));
    } else {
      const seq = answer?.seq ?? null;
      if (seq !== null && !this.#options.subscribe) this.#position.ownStored(seq);
      this.#outbox.stored(id, seq);
    }
    this.#pump();
  }

  #sendLater(id: string): void {
    this.#outbox.unsent(id);
    this.#holdTimer ??= setTimeout(() => {
      this.#holdTimer = undefined;
      this.#pump();
    }, SEND_AGAIN_MS);
  }

  #refuse(id: string, error: EventRefused): void {
    const event = this.#outbox.refused(id, error);
    if (event) this.#emitter.emit("event_refused", { event, error });
  }
}

let shared: ClientManager | null = null;

/** The one manager of this program, made with the options of the first call; it still has to be started. */
export function getClientManager(options?: ClientManagerOptions): ClientManager {
  return (shared ??= new ClientManager(options));
}

/** Whether it happens within so many milliseconds. */
async function within(limitMs: number, listen: (resolve: () => void) => () => void): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let cancel = () => {};
  try {
    return await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), limitMs);
      cancel = listen(() => resolve(true));
    });
  } finally {
    clearTimeout(timer);
    cancel();
  }
}

function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, durationMs);
    signal.addEventListener("abort", end);
  });
}
