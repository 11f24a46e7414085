import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ask, type Endpoint, refusalIn } from "../../client/http.ts";
import { serverPaths } from "../../config/paths.ts";
import { findServer } from "../../daemon/find.ts";
import type { Instance } from "../../daemon/instance.ts";
import { displayUrl, schemeOf } from "../../protocol/hosts.ts";
import type { ClusterNode, Health, HealthCheck, Session, Stats } from "../../protocol/messages.ts";
import { duration } from "../../sessions/names.ts";
import { RELEASE_VERSION } from "../../version.ts";
import { JSON_ARG, loadInNeed, SERVER_ARGS } from "../flags.ts";
import { checkRows } from "../check-rows.ts";
import { logFileOf } from "../log-file.ts";
import { EXIT, print, printError, printJson, style, table } from "../output.ts";
import { addressOf, whyNotRunning } from "../reach.ts";
import type { Command } from "../tree.ts";
import { LIVE_STATES, sessionRows } from "../session-rows.ts";

const LAST_ERRORS = 5;
const MOST_SHOWN = 20;
const LOG_TAIL_BYTES = 256 * 1024;

export default {
  description: "Show whether the server runs; exit 3 when it does not",
  args: {
    ...SERVER_ARGS,
    ...JSON_ARG,
    verbose: {
      type: "boolean",
      alias: "v",
      description: "Also sessions, versions, paths, configuration, memory and last errors",
    },
  },
  async run({ args, rawArgs }) {
    const loaded = loadInNeed(rawArgs);
    const { port, state_dir: stateDir } = loaded.values;
    const found = await findServer(addressOf(loaded));
    if (found.state !== "running") {
      const reason = whyNotRunning(found, loaded);
      if (found.state === "guarded") {
        const { pid, status } = found;
        if (args.json === true) printJson({ running: true, port, state: found.state, pid, status, reason });
        else printError(reason);
        return EXIT.failed;
      }
      if (args.json === true) printJson({ running: false, port, state: found.state, reason });
      else print(reason);
      return EXIT.notRunning;
    }

    const { health, instance } = found;
    const url = displayUrl(health.host, health.port, schemeOf(found.url));
    const details = args.verbose === true ? await answerOf<Stats>(found, "/stats?scope=node") : null;
    const nodes = details && clusterOf(health) !== undefined ? await nodesOf(found) : null;
    const sessions = details ? await liveSessions(found) : [];
    const paths = serverPaths(stateDir, port);
    const logFile = logFileOf(instance, loaded.values);
    const lastErrors = details ? lastProblems(logFile) : [];
    if (args.json === true) {
      const more = details
        ? {
            stats: details,
            paths,
            log_file: logFile,
            sources: instance?.sources ?? {},
            last_errors: lastErrors,
            sessions,
            ...(nodes === null ? {} : { nodes }),
          }
        : {};
      printJson({ running: true, url, ...health, ...more });
      return EXIT.done;
    }
    print(`claude-mpm-socketio is ${style("running", "green")} at ${url}`);
    print(table(summaryRows(health)));
    if (details) {
      print(
        table([
          ["  release", releaseText(instance)],
          ["  server", health.server_version],
          ["  Socket.IO", health.dependencies.socketio_version],
          ["  Bun", health.dependencies.bun_version],
          ["  executable", instance?.executable ?? "unknown: it was not started from this state directory"],
          ["  state", paths.directory],
          ["  log", logFile],
          ...settingRows(instance),
          ["  memory", `${Math.round(details.memory.rss / 1024 / 1024)} MiB`],
          [
            "  history",
            `${details.events.history_size} events, seq ${details.log.first_seq} to ${details.log.last_seq}`,
          ],
        ]),
      );
      if (nodes !== null) {
        print("  servers on the same Redis");
        print(table(nodeRows(nodes)));
      }
      print("  checks");
      print(table(checkRows(health.checks)));
      const rows = sessionRows(sessions, Date.now());
      print(rows.length > 0 ? "  sessions" : "  sessions       none");
      if (rows.length > 0) print(table(rows.slice(0, MOST_SHOWN)));
      if (rows.length > MOST_SHOWN) {
        const where = `${url}/api/sessions`;
        print(`    and ${rows.length - MOST_SHOWN} more: ${where}`);
      }
      print(lastErrors.length > 0 ? "  last errors" : "  last errors    none");
      for (const line of lastErrors) print(`    ${line}`);
    }
    return EXIT.done;
  },
} satisfies Command;

/** The server's own release, where its file tells: it may be older than the program that is there now. */
function releaseText(instance: Instance | null): string {
  const own = `${RELEASE_VERSION} (this command)`;
  const running = instance?.release_version;
  if (running === undefined || running === RELEASE_VERSION) return own;
  return `${own}; the server is ${running}, to change it over: claude-mpm-socketio restart`;
}

function summaryRows(health: Health): string[][] {
  const { events_processed, errors, last_activity } = health.health_stats;
  const cluster = clusterOf(health);
  return [
    ["  status", health.status],
    ["  PID", `${health.pid}`],
    ["  server id", health.server_id],
    ["  uptime", duration(health.uptime_seconds)],
    ...(cluster === undefined ? [] : [["  cluster", cluster.message]]),
    ["  clients", `${health.clients_connected}`],
    ["  events", `${events_processed}${last_activity ? `, last at ${last_activity}` : ""}`],
    ["  errors", `${errors}${errors > 0 ? " failed or refused, clients' mistakes too" : ""}`],
  ];
}

/** What it knows of the servers it shares a log with; undefined where there is no such thing. */
function clusterOf({ checks }: Health): HealthCheck | undefined {
  return checks.find(({ name }) => name === "cluster");
}

async function nodesOf(server: Endpoint): Promise<ClusterNode[]> {
  return (await answerOf<Stats>(server, "/stats")).nodes ?? [];
}

function nodeRows(nodes: readonly ClusterNode[]): string[][] {
  return nodes.map(({ server_id: id, url, version, uptime, clients, status }) => {
    const connected = `${clients} ${clients === 1 ? "client" : "clients"}`;
    return [`    ${id}`, status, url, version, `up ${duration(uptime)}`, connected];
  });
}

/** What the running server has that is no built-in default, and from where. */
function settingRows(instance: Instance | null): string[][] {
  const sources = Object.entries(instance?.sources ?? {});
  if (sources.length === 0) return [["  configuration", "built-in defaults"]];
  return sources.map(([key, source], index) => {
    const value = JSON.stringify(instance?.settings[key]) ?? "(secret)";
    return [index === 0 ? "  configuration" : "", `${key} ${value} from ${source}`];
  });
}

/** Those that are not over, first of all those that wait for somebody. */
async function liveSessions(server: Endpoint): Promise<Session[]> {
  const answers = await Promise.all(
    LIVE_STATES.map((state) =>
      answerOf<{ sessions: Session[] }>(server, `/api/sessions?limit=1000&state=${state}`),
    ),
  );
  return answers.flatMap(({ sessions }) => sessions);
}

async function answerOf<T>(server: Endpoint, path: string): Promise<T> {
  const { status, text } = await ask(server, path, { timeoutMs: 5000 });
  const refusal = refusalIn(status, text);
  if (refusal) throw refusal;
  return JSON.parse(text) as T;
}

/** The newest warnings and errors of a log file, oldest first. */
function lastProblems(path: string): string[] {
  try {
    const descriptor = openSync(path, "r");
    const { size } = fstatSync(descriptor);
    const tail = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
    readSync(descriptor, tail, 0, tail.length, size - tail.length);
    closeSync(descriptor);
    const lines = tail.toString("utf8").split("\n");
    return lines
      .filter((line) => /^\S+ (ERROR|WARNING) |"level":"(ERROR|WARNING)"/.test(line))
      .slice(-LAST_ERRORS);
  } catch {
    return [];
  }
}
