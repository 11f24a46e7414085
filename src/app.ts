/** The composition root: configuration in, a running server out. Nothing here but the order of things. */
import { createOriginGuard, type OriginGuard } from "./auth/origin.ts";
import type { ServerPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import { createHub } from "./hub/hub.ts";
import { createMemoryLog } from "./log/memory.ts";
import { createLogging, type Logger, type Logging } from "./logging.ts";
import type { HealthCheck } from "./protocol/messages.ts";
import { bindAddress, displayUrl } from "./protocol/hosts.ts";
import type { ServerContext } from "./server/context.ts";
import { createHttpApp } from "./server/http/app.ts";
import { createGateway } from "./server/realtime/gateway.ts";
import { listen } from "./server/server.ts";
import { openStateDir } from "./state-dir.ts";
import { RELEASE_VERSION } from "./version.ts";

export interface AppOptions {
  config: Config;
  /** Whether log lines also go to stderr. */
  stderr: boolean;
}

export interface App {
  url: string;
  port: number;
  serverId: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  paths: ServerPaths;
  logger: Logger;
  /** Takes up what can change while the server runs; returns the keys that changed. */
  reload(config: Config): void;
  /** Ends everything in order; every call gets the same promise. */
  stop(): Promise<void>;
}

/** Starts a server; throws Bun's listen error, a `StateDirError`, or what the log says. */
export async function createApp({ config, stderr }: AppOptions): Promise<App> {
  const startedAt = Date.now();
  const listener = listen({
    hostname: bindAddress(config.host),
    port: config.port,
    maxMessageBytes: config.max_http_buffer_size,
  });
  const state = await openOrClose();
  const { paths, serverId } = state;

  const logging = createLogging({
    level: config.log_level,
    format: config.log_format,
    file: config.log_to_file ? (config.log_file_path ?? paths.log) : null,
    stderr,
  });
  const logger = logging.logger("server");
  const hub = createHub({
    log: createMemoryLog({ maxEvents: config.max_history_size, maxAge: config.max_history_age }),
    serverId,
    maxEventBytes: config.max_http_buffer_size,
    onError: (error) => logger.error("delivery failed", { error: String(error) }),
  });

  let live = config;
  let guard = createGuard(config);
  let ready = true;
  let stopping: Promise<void> | null = null;
  const checkSelf = () => [...hub.checks(), logFileCheck(logging)];
  let checks = checkSelf();
  const selfCheck = setInterval(() => {
    checks = checkSelf();
  }, config.health_check_interval * 1000);

  const context: ServerContext = {
    hub,
    serverId,
    host: config.host,
    port: listener.port,
    startedAt,
    maxMessageBytes: config.max_http_buffer_size,
    minClientVersion: () => live.min_client_version,
    isReady: () => ready,
    checks: () => checks,
  };
  listener.attach({
    guard: () => guard,
    http: createHttpApp(context, logging.logger("http")),
    gateway: createGateway(
      context,
      {
        pingInterval: config.ping_interval * 1000,
        pingTimeout: config.ping_timeout * 1000,
        maxMessageBytes: config.max_http_buffer_size,
      },
      logging.logger("socketio"),
    ),
    isReady: () => ready,
  });

  const url = displayUrl(config.host, listener.port);
  logger.info("listening", { url, pid: process.pid, server_id: serverId, version: RELEASE_VERSION });
  if (config.persistent) logger.info("the history is kept in memory only in this release");

  async function openOrClose() {
    try {
      return openStateDir(config.state_dir, listener.port, config.server_id);
    } catch (error) {
      await listener.stop();
      throw error;
    }
  }

  async function shutDown(): Promise<void> {
    ready = false;
    clearInterval(selfCheck);
    logger.info("stopping", { clients: hub.clients.count() });
    await listener.stop();
    await hub.close();
    logger.info("stopped", { events_processed: hub.stats().events_processed });
    logging.close();
    state.release();
  }

  return {
    url,
    port: listener.port,
    serverId,
    startedAt,
    paths,
    logger,
    reload(next) {
      live = next;
      guard = createGuard(next);
      logging.setLevel(next.log_level);
      logging.reopen();
    },
    stop: () => (stopping ??= shutDown()),
  };
}

function createGuard(config: Config): OriginGuard {
  return createOriginGuard({
    allowedOrigins: config.cors_allowed_origins,
    allowedHosts: config.allowed_hosts,
    boundHost: config.host,
  });
}

function logFileCheck(logging: Logging): HealthCheck {
  const problem = logging.fileProblem();
  return problem === null
    ? { name: "log_file", status: "healthy", message: "log lines are written" }
    : { name: "log_file", status: "degraded", message: `the log file cannot be written: ${problem}` };
}
