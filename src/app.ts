/** The composition root: configuration in, a running server out. Nothing here but the order of things. */
import { createOriginGuard, type OriginGuard } from "./auth/origin.ts";
import type { ServerPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import { readTls, type Tls } from "./config/tls.ts";
import { keepReplaying } from "./hooks/replay.ts";
import { openSpool } from "./hooks/spool.ts";
import { createHub } from "./hub/hub.ts";
import type { EventLog } from "./log/log.ts";
import { createMemoryLog } from "./log/memory.ts";
import { openSqliteLog } from "./log/sqlite.ts";
import { createLogging, type Logger, type Logging } from "./logging.ts";
import type { HealthCheck } from "./protocol/messages.ts";
import { bindAddress, displayUrl } from "./protocol/hosts.ts";
import type { ServerContext } from "./server/context.ts";
import { createHttpApp } from "./server/http/app.ts";
import { createGateway } from "./server/realtime/gateway.ts";
import { listen, type Listener } from "./server/server.ts";
import { createCertificate } from "./server/tls.ts";
import { openStateDir, type StateDir } from "./state-dir.ts";
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
  /** PEM of the server's own certificate, as new connections get it; null without TLS. */
  certificate(): string | null;
  /** Takes up what can change while the server runs. */
  reload(config: Config): void;
  /** Ends everything in order; every call gets the same promise. */
  stop(): Promise<void>;
}

/** Starts a server; throws a `ConfigError` for certificates that cannot be used, Bun's listen error, a `StateDirError`, or what the log says, with nothing left behind. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config } = options;
  const tls = readTls(config);
  const listener = listen({
    hostname: bindAddress(config.host),
    port: config.port,
    maxMessageBytes: config.max_http_buffer_size,
    tls,
  });
  let state: StateDir | null = null;
  try {
    state = openStateDir(config.state_dir, listener.port, config.server_id);
    return await assemble(options, listener, tls, state);
  } catch (error) {
    await listener.stop();
    state?.release();
    throw error;
  }
}

/** Puts a server together behind a listener that is bound and a directory that is locked. */
async function assemble(
  { config, stderr }: AppOptions,
  listener: Listener,
  tls: Tls | null,
  state: StateDir,
): Promise<App> {
  const startedAt = Date.now();
  const { paths, serverId } = state;
  const logging = createLogging({
    level: config.log_level,
    format: config.log_format,
    file: config.log_to_file ? (config.log_file_path ?? paths.log) : null,
    stderr,
  });
  const logger = logging.logger("server");
  const certificate = tls && createCertificate(tls, listener, logging.logger("tls"));
  const hub = createHub({
    log: openLog(config, paths, logger, () => report()),
    serverId,
    maxEventBytes: config.max_http_buffer_size,
    onError: (error) => logger.error("delivery failed", { error: String(error) }),
  });

  await hub.recall();
  const endReplay = keepReplaying({
    spool: openSpool(paths.spool),
    publish: hub.publishBatch,
    maxEventBytes: config.max_http_buffer_size,
    onError: (error) => logger.warn("hooks that wait cannot be read", { error: String(error) }),
  });
  let live = config;
  let guard = createGuard(config);
  let ready = true;
  let stopping: Promise<void> | null = null;
  const checks = () => [
    ...hub.checks(),
    logFileCheck(logging),
    ...(certificate ? [certificate.check()] : []),
  ];
  const report = reportChanges(checks, logger);
  const selfCheck = setInterval(report, config.health_check_interval * 1000);

  const context: ServerContext = {
    hub,
    serverId,
    host: config.host,
    port: listener.port,
    startedAt,
    maxEventBytes: config.max_http_buffer_size,
    minClientVersion: () => live.min_client_version,
    isReady: () => ready,
    checks,
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
        publish: listener.publish,
      },
      logging.logger("socketio"),
    ),
    isReady: () => ready,
  });

  const url = displayUrl(config.host, listener.port, tls ? "https" : "http");
  logger.info("listening", { url, pid: process.pid, server_id: serverId, version: RELEASE_VERSION });

  /** Nothing new in, everything accepted acknowledged, clients told, log closed; the lock goes last. */
  async function shutDown(): Promise<void> {
    try {
      ready = false;
      clearInterval(selfCheck);
      logger.info("stopping", { clients: hub.clients.count() });
      await endReplay();
      await hub.drain();
      await listener.stop();
      await hub.close();
      logger.info("stopped", { events_processed: hub.eventsProcessed() });
    } finally {
      logging.close();
      state.release();
    }
  }

  return {
    url,
    port: listener.port,
    serverId,
    startedAt,
    paths,
    logger,
    certificate: () => certificate?.pem() ?? null,
    reload(next) {
      live = next;
      guard = createGuard(next);
      logging.setLevel(next.log_level);
      logging.reopen();
      if (certificate) certificate.renew(next);
      else if (next.tls_cert !== null) logger.warn("TLS is turned on by a restart");
    },
    stop: () => (stopping ??= shutDown()),
  };
}

function openLog(config: Config, paths: ServerPaths, logger: Logger, onHealthChange: () => void): EventLog {
  const limits = { maxEvents: config.max_history_size, maxAge: config.max_history_age };
  if (!config.persistent) return createMemoryLog(limits);
  return openSqliteLog({
    path: paths.events,
    ...limits,
    durability: config.durability,
    onHealthChange,
    warn: (message, fields) => logger.warn(message, fields),
  });
}

/** Says in the log what the server's checks of itself find changed. */
function reportChanges(checks: () => HealthCheck[], logger: Logger): () => void {
  const known = new Map<string, HealthCheck["status"]>();
  return () => {
    for (const { name, status, message } of checks()) {
      const before = known.get(name) ?? "healthy";
      known.set(name, status);
      if (status === before) continue;
      logger[status === "healthy" ? "info" : "warn"]("health changed", { check: name, status, message });
    }
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
