/** The factory that takes a running server where there is one, and else brings one in this process. */
import { type DiscoveredServer, findBestServer } from "../client/discovery.ts";
import { askTrusting, type Endpoint } from "../client/http.ts";
import { ClientManager } from "../client/manager.ts";
import type { ClientEvents, ClientManagerOptions } from "../client/manager-options.ts";
import { EventSender, type Stored } from "../client/sender.ts";
import { agentFor } from "../client/trust.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { type Config, type Key, SCHEMA } from "../config/schema.ts";
import { endpointOf, isOverheard } from "../daemon/endpoint.ts";
import type { JsonObject } from "../protocol/event.ts";
import { localAddress } from "../protocol/hosts.ts";
import { IS_COMPILED } from "../version.ts";
import { type EmbeddedOptions, type EmbeddedServer, startEmbeddedServer } from "./server.ts";

export type Mode = Config["deployment_mode"];

/** No server runs that this client could use; `hint` is the next step. */
export class NoServerError extends Error {
  readonly hint = "Start one: claude-mpm-socketio start; or use the mode `auto`, which brings its own";

  constructor(where: string) {
    super(`No compatible server was found on ${where}`);
    this.name = "NoServerError";
  }
}

export interface SocketioServerOptions extends ClientManagerOptions {
  /**
   * `auto`: a running server if there is one, else one in this process. `client`, or `standalone`: a running server or
   * none. `embedded`: one in this process. The configuration's `deployment_mode` when not given.
   */
  mode?: Mode;
  /** For the server in this process; its port is the configured one, or any free one when that is taken. */
  embedded?: EmbeddedOptions;
}

const CONNECT_LIMIT_MS = 5000;
const FLUSH_LIMIT_MS = 1000;

/** A server to send events to, running elsewhere or in this process: the same methods whichever it is. */
export class SocketioServer extends EventSender {
  readonly mode: Mode;
  /** What sends its events, and receives those of others. */
  readonly client: ClientManager;
  readonly #options: SocketioServerOptions;
  readonly #config: LoadedConfig;
  #embedded: EmbeddedServer | null = null;
  #started: Promise<void> | null = null;

  /** Throws a `ConfigError` where the configuration is invalid, a `TypeError` for a mode that does not exist. */
  constructor(options: SocketioServerOptions = {}) {
    super();
    this.#config = loadConfig({ flags: {}, compiled: IS_COMPILED });
    const { values, origins } = this.#config;
    const named = (key: Key) => origins[key].kind !== "default" && origins[key].kind !== "preset";
    this.#options = {
      ...(named("host") ? { hosts: [values.host] } : {}),
      ...(named("port") && values.port !== 0 ? { ports: [values.port] } : {}),
      maxConnectionAttempts: values.max_connection_attempts,
      reconnectionDelayMs: values.reconnection_delay * 1000,
      ...(this.#isOverTls() ? { url: this.#endpoint().url } : {}),
      ask: askTrusting(() => this.#endpoint().certificates),
      agent: ({ url }) => agentFor({ ...this.#endpoint(), url }),
      token: (server) => this.#tokenFor(server),
      ...options,
    };
    this.mode = options.mode ?? values.deployment_mode;
    const { choices } = SCHEMA.deployment_mode;
    if (!choices.includes(this.mode)) {
      throw new TypeError(
        `There is no mode ${JSON.stringify(this.mode)}; it is one of ${choices.join(", ")}`,
      );
    }
    this.client = new ClientManager(this.#options);
  }

  /**
   * Finds or starts the server and connects to it; every call gets the same promise. Rejects with a `NoServerError` in
   * the mode `client`, and with what keeps a server in this process from starting. Events given before are sent then.
   */
  start(): Promise<void> {
    return (this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = null;
      throw error;
    }));
  }

  /** Gives what still waits a second to be stored, then disconnects, and ends the server if it is in this process. */
  async stop(): Promise<void> {
    await this.#started?.catch(() => {});
    if (this.client.state !== "stopped") await this.client.flush(FLUSH_LIMIT_MS);
    this.client.stop();
    await this.#embedded?.stop();
    this.#embedded = null;
    this.#started = null;
  }

  /** Calls the listener with each of these events; returns how to end that. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (payload: ClientEvents[Name]) => void,
  ): () => void {
    return this.client.on(name, listener);
  }

  /** Where the server runs; null before it is found or started. */
  get kind(): "client" | "embedded" | null {
    if (this.client.state === "stopped") return null;
    return this.#embedded ? "embedded" : "client";
  }

  /** Without a path; null before there is a server. */
  get url(): string | null {
    return this.kind && (this.#embedded?.url ?? this.client.server?.url ?? null);
  }

  get port(): number | null {
    return this.kind && (this.#embedded?.port ?? this.client.server?.port ?? null);
  }

  /** Whether it is connected to its server at this moment. */
  isRunning(): boolean {
    return this.client.state === "connected";
  }

  /** What it is connected to, and what waits or was lost on the way there. */
  status() {
    const { kind, mode, url, port, client } = this;
    return {
      kind,
      mode,
      running: this.isRunning(),
      url,
      port,
      buffered: client.buffered,
      dropped: client.dropped,
    };
  }

  protected override send(type: string, fields: JsonObject): Promise<Stored> {
    return this.client.emitEvent(type, fields.data, fields);
  }

  async #start(): Promise<void> {
    if (this.mode === "embedded" || !(await this.#isThere())) {
      if (this.mode === "client" || this.mode === "standalone") throw new NoServerError(this.#where());
      this.#embedded = await this.#startEmbedded();
    }
    this.client.start(this.#embedded?.url);
    await this.client.whenConnected(CONNECT_LIMIT_MS);
  }

  /** The server in this process, or the configured one. */
  #endpoint(): Endpoint {
    if (this.#embedded) return this.#embedded;
    const { state_dir: stateDir, host, port, token, tls_cert: tlsCert } = this.#config.values;
    return endpointOf({
      stateDir,
      host,
      port,
      token,
      tlsCert,
      allowPlainHttp: this.#config.values.allow_plain_http,
    });
  }

  /** Whether only TLS will do; discovery by hosts and ports knows plain HTTP alone. */
  #isOverTls(): boolean {
    const { url, certificates } = this.#endpoint();
    const { token, allow_plain_http: allowPlainHttp } = this.#config.values;
    const inPlain = url.replace(/^https:/, "http:");
    return certificates !== undefined || (inPlain !== url && isOverheard(inPlain, { token, allowPlainHttp }));
  }

  /** The configured one for the configured place; else this user's own, for a server of theirs. */
  #tokenFor({ url, host, port }: DiscoveredServer): string | null {
    if (this.#embedded?.port === port) return this.#embedded.token;
    const {
      state_dir: stateDir,
      token,
      host: configured,
      allow_plain_http: allowPlainHttp,
    } = this.#config.values;
    const isConfigured =
      localAddress(host) === localAddress(configured) && !isOverheard(url, { token, allowPlainHttp });
    return endpointOf({ stateDir, host, port, token: isConfigured ? token : null, allowPlainHttp }).token;
  }

  async #isThere(): Promise<boolean> {
    return (await findBestServer(this.#options)) !== null;
  }

  /** Null when another program has just started the server this one was to bring. */
  async #startEmbedded(): Promise<EmbeddedServer | null> {
    const { embedded = {} } = this.#options;
    if (embedded.port !== undefined) return startEmbeddedServer(embedded);
    try {
      return await startEmbeddedServer({ ...embedded, port: this.#config.values.port });
    } catch (error) {
      if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
      if (this.mode === "auto" && (await this.#isThere())) return null;
      return startEmbeddedServer(embedded);
    }
  }

  #where(): string {
    const { url, hosts = ["localhost"], ports = ["8765 to 8769"] } = this.#options;
    return url ?? `${hosts.join(", ")}, port ${ports.join(", ")}`;
  }
}

/** Makes the server a program sends its events to; it still has to be started. */
export function getSocketioServer(options?: SocketioServerOptions): SocketioServer {
  return new SocketioServer(options);
}

/** The old name of `getSocketioServer`. */
export const getWebsocketServer = getSocketioServer;
