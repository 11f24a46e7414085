/** Finds a server, stays with it, and comes back to where it was after whatever happens in between. */
import type { Compatibility } from "../protocol/compatibility.ts";
import type { JsonObject } from "../protocol/event.ts";
import type { ConnectionAck } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";
import { type Connection, openConnection, type Refusal } from "./connection.ts";
import {
  bestOf,
  DEFAULT_CLIENT_VERSION,
  type DiscoveredServer,
  discoverServers,
  type JudgedServer,
  judgeServers,
} from "./discovery.ts";
import { Emitter } from "./emitter.ts";
import type { ClientEvents, ClientManagerOptions } from "./manager-options.ts";
import { EventRefused } from "./outbox.ts";
import { Position } from "./position.ts";
import { randomId } from "./random-id.ts";
import { EventSender, type Stored } from "./sender.ts";
import { happensWithin, pause } from "./timing.ts";
import { Transmission } from "./transmission.ts";

const PAUSE_MS = 30_000;

/**
 * A client that looks for a server until it finds one, for ever, and resumes where it was. What it is given to send
 * before or between connections waits, and is sent in order with an id of its own, so that the server stores it once
 * however often it has to be sent; only one that the server refuses for the moment may be stored after some that were
 * given later.
 */
export class ClientManager extends EventSender {
  readonly clientId: string;
  readonly #options: ClientManagerOptions;
  readonly #pauseMs: number;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #transmission: Transmission;
  readonly #position: Position;
  /** The beginning of the ids of everything sent from here: what comes back with it is an own event. */
  readonly #idPrefix = `${randomId()}-`;
  #sent = 0;
  #dropped = 0;
  #ended: AbortController | null = null;
  #url: string | undefined;
  #connection: Connection | null = null;
  #server: DiscoveredServer | null = null;
  #connectedBefore = false;
  #incompatible = new Map<string, string>();

  constructor(options: ClientManagerOptions = {}) {
    super();
    const { maxBufferedEvents = 1000, maxBufferedBytes = 16 * 1024 * 1024 } = options;
    this.#options = options;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
    this.clientId = options.clientId ?? `client-${randomId().slice(0, 8)}`;
    this.#position = new Position(options.resume ?? null);
    this.#transmission = new Transmission({
      maxEvents: maxBufferedEvents,
      maxBytes: maxBufferedBytes,
      onDropped: (event) => {
        this.#dropped += 1;
        this.#emitter.emit("buffer_dropped", { event, dropped: this.#dropped });
      },
      onStored: (seq) => {
        if (seq !== null && !options.subscribe) this.#position.ownStored(seq);
      },
      pauseMs: this.#pauseMs,
      onHeld: (refusal) => this.#tellRefused(this.#server, refusal),
      onRefused: (event, error) => this.#emitter.emit("event_refused", { event, error }),
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
    return this.#transmission.outbox.size;
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
    this.#url = url;
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
    return happensWithin(limitMs, (resolve) => this.#transmission.outbox.whenEmpty(resolve));
  }

  /** Waits until it is connected; false when that takes longer than the limit. */
  whenConnected(limitMs: number): Promise<boolean> {
    return happensWithin(limitMs, (resolve) => {
      if (this.state === "connected") resolve();
      return this.on("connected", resolve);
    });
  }

  /** Disconnects and gives up what still waits; to wait for that, `flush` first. It can be started again. */
  stop(): void {
    this.#ended?.abort();
    this.#ended = null;
    this.#disconnect();
    this.#transmission.outbox.clear(
      new EventRefused("stopped", "The client was stopped", "Call start, and send it again"),
    );
  }

  /** The old name of `stop`. */
  stopConnectionManager(): void {
    this.stop();
  }

  protected override send(type: string, fields: JsonObject): Promise<Stored> {
    return this.#transmission.send({
      type,
      timestamp: new Date().toISOString(),
      client_version: this.#options.clientVersion ?? DEFAULT_CLIENT_VERSION,
      id: `${this.#idPrefix}${(this.#sent += 1)}`,
      ...fields,
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { maxConnectionAttempts: limit = 3 } = this.#options;
    const pauseMs = this.#pauseMs;
    const { reconnectionDelayMs: first = 1000, reconnectionDelayMaxMs: most = 5000 } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const outcome = await this.#attempt(signal, failures % limit === limit - 1);
      if (signal.aborted) return;
      const lost = outcome === "lost";
      failures = lost ? 0 : failures + 1;
      const quick = failures % limit;
      const delayMs =
        outcome === "refused" || (failures > 0 && quick === 0)
          ? pauseMs
          : Math.min(most, first + Math.random() * first * 2 ** Math.max(quick - 1, 0));
      if (!lost) this.#emitter.emit("retrying", { failures, delayMs });
      await pause(delayMs, signal);
    }
  }

  /** Looks once; `lost` when a connection was made, which by then is so. */
  async #attempt(signal: AbortSignal, anyServer: boolean): Promise<"lost" | "refused" | "none"> {
    const server = this.#choose(await this.#look(), anyServer);
    if (signal.aborted || !server) return "none";
    let greeted = false;
    let refusal: Refusal | null = null;
    let end = () => {};
    const reason = await new Promise<string>((resolve) => {
      const connection = openConnection(
        server.url,
        {
          auth: this.#auth(server),
          agent: this.#agent(server),
          timeoutMs: this.#options.connectTimeoutMs ?? 5000,
        },
        {
          onGreeting: (ack) => {
            greeted = this.#greet(server, connection, ack);
            if (!greeted) resolve("incompatible");
          },
          onEpoch: (ack) => this.#position.renamed(ack),
          onEvent: (event) => this.#receive(event),
          onGap: (gap) => {
            this.#position.gap(gap);
            this.#emitter.emit("gap", gap);
          },
          onLost(why, refused) {
            refusal = refused;
            resolve(why);
          },
        },
      );
      end = () => {
        connection.close();
        resolve("stopped");
      };
      signal.addEventListener("abort", end);
    });
    signal.removeEventListener("abort", end);
    this.#disconnect();
    if (signal.aborted) return "none";
    if (greeted) this.#emitter.emit("disconnected", { reason });
    if (refusal !== null) this.#tellRefused(server, refusal);
    return refusal !== null ? "refused" : greeted ? "lost" : "none";
  }

  #tellRefused(server: DiscoveredServer | null, { code, message, hint }: Refusal): void {
    if (server === null) return;
    const { url, host, port, version } = server;
    const known = { url, host, port, version };
    this.#emitter.emit("refused", { code, message, hint, server: known, delayMs: this.#pauseMs });
  }

  async #look(): Promise<JudgedServer[]> {
    const options = { ...this.#options, ...(this.#url ? { url: this.#url } : {}) };
    return judgeServers(await discoverServers(options), options);
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

  #agent(server: DiscoveredServer): object | undefined {
    const { agent } = this.#options;
    return typeof agent === "function" ? agent(server) : agent;
  }

  #auth(server: DiscoveredServer): JsonObject {
    const { token: given = null } = this.#options;
    const token = typeof given === "function" ? given(server) : given;
    const { clientVersion = DEFAULT_CLIENT_VERSION, subscribe } = this.#options;
    const { current: resume } = this.#position;
    return {
      claude_mpm_version: clientVersion,
      client_id: this.clientId,
      ...(token === null ? {} : { token }),
      ...(subscribe ? { subscribe } : {}),
      ...(resume ? { resume } : {}),
    };
  }

  /** False when the server, asked and compatible a moment ago, is not any more. */
  #greet(
    { compatibility: _asked, ...server }: JudgedServer,
    connection: Connection,
    ack: Partial<ConnectionAck>,
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
    this.#transmission.use(connection);
    return true;
  }

  #receive(event: JsonObject): void {
    if (!this.#position.takes(event.seq)) return;
    const { id, seq } = event;
    // Sent on an earlier connection: its acknowledgement may be what was lost.
    if (typeof id === "string" && id.startsWith(this.#idPrefix))
      this.#transmission.outbox.stored(id, Number(seq));
    else this.#emitter.emit("event", event);
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#transmission.use(null);
  }
}

let shared: ClientManager | null = null;

/** The one manager of this program, made with the options of the first call; it still has to be started. */
export function getClientManager(options?: ClientManagerOptions): ClientManager {
  return (shared ??= new ClientManager(options));
}
