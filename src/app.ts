/** The composition root: configuration in, a running server out. Nothing here but the order of things. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { openAccess } from "./access.ts";
import { createSenderOf } from "./auth/forwarded.ts";
import { createOriginGuard } from "./auth/origin.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { ServerPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import { readTls, type Tls } from "./config/tls.ts";
import { keepReplaying } from "./hooks/replay.ts";
import { createHealth } from "./health/health.ts";
import { openSpool, spoolStatus } from "./hooks/spool.ts";
import { createHub } from "./hub/hub.ts";
import { createRedaction } from "./hub/redaction.ts";
import type { EventLog } from "./log/log.ts";
import { openLog } from "./log/open.ts";
import { createLogging, type Logger } from "./logging.ts";
import { parseRedisUrl } from "./protocol/redis-url.ts";
import { redactText } from "./protocol/redact.ts";
import { bindAddress, displayUrl } from "./protocol/hosts.ts";
import type { HealthCheck } from "./protocol/messages.ts";
import type { ServerContext } from "./server/context.ts";
import { createFaces } from "./server/faces.ts";
import { createLimits } from "./server/limits.ts";
import { createRefusals } from "./server/refusals.ts";
import { listen, type Listener } from "./server/server.ts";
import { aboutSelf, answerPeer } from "./server/whole.ts";
import { createCertificate } from "./server/tls.ts";
import { openStateDir, type StateDir } from "./state-dir.ts";
import { RELEASE_VERSION } from "./version.ts";

export interface AppOptions {
  config: Config;
  /** Whether log lines also go to stderr. */
  stderr: boolean;
  /** Ends the server and its process; null where it is a part of another program. */
  shutDown?: (() => void) | null;
  /** In place of the one that the configuration has. */
  log?: EventLog;
  /** What whoever runs it adds to the server's checks of itself, by name. */
  checks?: Readonly<Record<string, () => HealthCheck>>;
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
  /** The token that was made because nobody else could have got in; it is nowhere else to be read. */
  firstToken: string | null;
  /** That of `local-token`; null where none is asked for. */
  localToken: string | null;
  /** Takes up what can change while the server runs. */
  reload(config: Config): void;
  /** From now on `/ready` says that it takes no more traffic; it goes on serving until it is stopped. */
  drain(): void;
  /** Ends everything in order; every call gets the same promise. */
  stop(): Promise<void>;
}

const JOINING: HealthCheck = { name: "cluster", status: "healthy", message: "it is joining the others" };

/** Starts a server; throws a `ConfigError` for certificates that cannot be used, Bun's listen error, a `StateDirError`, or what the log says, with nothing left behind. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config } = options;
  const tls = readTls(config);
  const listener = listen({
    hostname: bindAddress(config.host),
    port: config.port,
    maxMessageBytes: config.max_http_buffer_size,
    tls,
    senderOf: createSenderOf(config.trusted_proxies),
  });
  // What is open goes in the opposite order when something fails.
  await using undo = new AsyncDisposableStack();
  undo.defer(() => listener.stop());
  const state = openStateDir(config.state_dir, listener.port, {
    serverId: config.server_id,
    persistent: config.persistent && config.redis_url === null,
  });
  undo.defer(() => state.release());
  const app = await assemble(options, listener, tls, state, undo);
  undo.move();
  return app;
}

/** Puts a server together behind a listener that is bound and a directory that is locked. */
async function assemble(
  { config, stderr, shutDown: end = null, log, checks = {} }: AppOptions,
  listener: Listener,
  tls: Tls | null,
  state: StateDir,
  undo: AsyncDisposableStack,
): Promise<App> {
  const startedAt = Date.now();
  const { paths, serverId } = state;
  const instance = randomBytes(8).toString("hex");
  const logging = createLogging({
    level: config.log_level,
    format: config.log_format,
    file: config.log_to_file ? (config.log_file_path ?? paths.log) : null,
    stderr,
    // Whatever `redact` says: who turns it off wants events whole, not a log that gives secrets away.
    mask: (text) => redactText(text).text,
  });
  undo.defer(logging.close);
  const logger = logging.logger("server");
  const health = createHealth({
    logging,
    directory: paths.directory,
    spool: () => spoolStatus(paths.spool),
    interval: config.health_check_interval,
  });
  undo.defer(health.stop);
  const certificate =
    tls &&
    createCertificate(tls, {
      listener,
      logger: logging.logger("tls"),
      onRecovered: (message) => health.recovered("port_taken_anew", message),
    });
  const { access, ...guarding } = await openAccess(config, logging.logger("auth"));
  undo.defer(() => access.close());
  const redaction = createRedaction(config);
  const hub = createHub({
    log:
      log ??
      (await openLog(config, {
        path: paths.events,
        mirror: paths.mirror,
        instance,
        onHealthChange: health.report,
        onRecovery: health.recovered,
        warn: logger.warn,
      })),
    serverId,
    maxEventBytes: config.max_http_buffer_size,
    redaction,
    onError: (error) => logger.error("delivery failed", { error: String(error) }),
    warn: logger.warn,
  });
  undo.defer(hub.close);

  await hub.recall();
  const endReplay = keepReplaying({
    spool: openSpool(paths.spool),
    publish: (events) => hub.publishBatch(events, "spool"),
    maxEventBytes: config.max_http_buffer_size,
    onError: (error) => logger.warn("hooks that wait cannot be read", { error: String(error) }),
  });
  const refusals = createRefusals(logger);
  let live = config;
  let guard = createOriginGuard(config);
  let ready = true;
  let draining = false;
  let stopping: Promise<void> | null = null;
  let cluster: Cluster | null = null;
  health.watch(hub, {
    tokens: guarding.check,
    ...(certificate ? { tls: certificate.check } : {}),
    ...(config.redis_url === null ? {} : { cluster: () => cluster?.check() ?? JOINING }),
    ...checks,
  });

  const context: ServerContext = {
    hub,
    serverId,
    host: config.host,
    port: listener.port,
    startedAt,
    maxEventBytes: config.max_http_buffer_size,
    maxHistorySize: config.max_history_size,
    minClientVersion: () => live.min_client_version,
    access,
    loginCodes: guarding.loginCodes,
    limits: createLimits(config),
    refusals,
    addressOf: listener.addressOf,
    shutDown: end,
    isReady: () => ready,
    isDraining: () => draining,
    checks: health.checks,
    recoveries: health.recoveries,
    loopDelays: health.loopDelays,
    certificateExpiresAt: () => certificate?.expiresAt() ?? Infinity,
    cluster: () => cluster,
  };
  listener.attach({
    ...createFaces(context, config, { publish: listener.publish, logging }),
    guard: () => guard,
  });

  const url = displayUrl(config.host, listener.port, tls ? "https" : "http");
  if (config.redis_url !== null) {
    const { openCluster } = await import("./cluster/cluster.ts");
    const place = { instance, url: nodeUrl(config.host, url), keeps: config.max_history_size };
    cluster = await openCluster({
      url: config.redis_url,
      about: () => aboutSelf(context, place),
      answer: (topic, payload) => answerPeer(context, topic, payload),
      onError: (error) => logger.debug("another server cannot be asked", { error: String(error) }),
      onRejoined: health.report,
    });
  }
  logger.info("listening", {
    url,
    pid: process.pid,
    server_id: serverId,
    version: RELEASE_VERSION,
    ...(config.redis_url === null ? {} : { redis: parseRedisUrl(config.redis_url).shown }),
  });
  if (config.redis_url !== null && existsSync(paths.events)) {
    logger.info("the history is on Redis; what was kept on disk before is not part of it", {
      file: paths.events,
    });
  }

  /** Nothing new in, everything accepted acknowledged, clients told, log closed; the lock goes last. */
  async function shutDown(): Promise<void> {
    try {
      ready = false;
      health.stop();
      logger.info("stopping", { clients: hub.clients.count() });
      await endReplay();
      await hub.drain();
      await listener.stop();
      await cluster?.close();
      refusals.close();
      access.close();
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
    firstToken: guarding.firstToken,
    localToken: guarding.localToken,
    reload(next) {
      guarding.reload(next);
      live = next;
      guard = createOriginGuard(next);
      redaction.use(next);
      logging.setLevel(next.log_level);
      logging.reopen();
      if (certificate) certificate.renew(next);
      else if (next.tls_cert !== null) logger.warn("TLS is turned on by a restart");
    },
    drain() {
      draining = true;
      logger.info("draining", { clients: hub.clients.count() });
    },
    stop: () => (stopping ??= shutDown()),
  };
}

/** Where other machines find a server that listens on all addresses, as far as it knows. */
function nodeUrl(host: string, url: string): string {
  if (!["0.0.0.0", "::", "[::]"].includes(host)) return url;
  const there = new URL(url);
  there.hostname = hostname();
  return there.origin;
}
