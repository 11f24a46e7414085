import { existsSync } from "node:fs";
import { constants } from "node:os";
import { isatty } from "node:tty";
import type { Endpoint } from "../../client/http.ts";
import { childEnv } from "../../config/env.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { serverPaths } from "../../config/paths.ts";
import { ENV_PREFIX } from "../../config/schema.ts";
import { loadForCommand, readServerFlags, SERVER_ARGS } from "../flags.ts";
import { CommandError, printError } from "../output.ts";
import type { Command } from "../tree.ts";

const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const KILLED = 128;

/** What may be left to do when the command has ended keeps nobody waiting longer. */
const END_LIMIT_MS = 2000;

export default {
  description:
    "Run a command, and report its start and its end as a session; its input, output, signals and exit code are its own",
  takesCommand: true,
  args: {
    monitor: { type: "boolean", description: "Report it, which is what happens anyway", default: true },
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs, operands }) {
    const loaded = loadForCommand(rawArgs);
    const { deployment_mode: mode, port: configured } = loaded.values;
    const monitored = args.monitor !== false;
    const port = monitored && mode === "embedded" ? await portFor(configured) : configured;
    const env = port === 0 ? {} : { [`${ENV_PREFIX}PORT`]: `${port}` };

    const startedAt = Date.now();
    // Before there is a command: it may well be signalled as soon as it is there.
    forwardSignals((signal) => child.kill(signal));
    const child = spawn(operands, { ...childEnv(), ...env });
    const reporter = monitored
      ? createReporter({ loaded, rawArgs, port, command: operands, pid: child.pid, startedAt })
      : null;
    await child.exited;
    await reporter?.ended(child);
    const { exitCode, signalCode } = child;
    return exitCode ?? KILLED + (constants.signals[signalCode as NodeJS.Signals] ?? 0);
  },
} satisfies Command;

interface Run {
  loaded: LoadedConfig;
  rawArgs: readonly string[];
  /** Where the server is, or will be. */
  port: number;
  command: readonly string[];
  pid: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/** An event of the session, as it waits in the spool. */
interface Report {
  text: string;
  /** Milliseconds since the epoch. */
  time: number;
}

/** Reports a command that runs already; what goes wrong with that is said once the terminal is free again. */
function createReporter(run: Run) {
  const { command, pid, startedAt } = run;
  const session = { session_id: crypto.randomUUID(), cwd: process.cwd(), source: "run" };
  const said: string[] = [];
  const connection = connect(run, (text) => said.push(text));
  /** What is not known to be stored. */
  const unsettled = new Map<string, Report>();
  const send = (type: string, data: object, time: number) => {
    const fields = { ...session, id: crypto.randomUUID(), timestamp: new Date(time).toISOString() };
    unsettled.set(fields.id, { text: JSON.stringify({ type, ...fields, data }), time });
    return connection.then(({ client }) => {
      const settled = () => unsettled.delete(fields.id);
      // Stopping the client refuses what still waits; only what was refused before that is settled.
      client.emitEvent(type, data, fields).then(settled, () => isStopping || settled());
    });
  };
  let isStopping = false;
  const { session_id, cwd } = session;
  const start = { session_id, launch_method: "run", working_directory: cwd, command, pid };
  void send("session.start", start, startedAt);
  void send("claude.status", { status: "running", pid, message: "" }, startedAt);

  return {
    async ended({ exitCode, signalCode: signal }: Bun.Subprocess): Promise<void> {
      const endedAt = Date.now();
      const duration_seconds = (endedAt - startedAt) / 1000;
      await send("session.end", { session_id, exit_code: exitCode, signal, duration_seconds }, endedAt);
      const limit = new Promise<false>((resolve) => setTimeout(() => resolve(false), END_LIMIT_MS));
      const { client, stop } = await connection;
      const reported = await Promise.race([client.flush(END_LIMIT_MS), limit]);
      isStopping = true;
      client.stop();
      await Promise.race([stop(), limit]);
      for (const text of said) printError(text);
      if (!reported) await keep(run, [...unsettled.values()]);
    },
  };
}

/** Leaves for the server what it was not there to take, as hooks do. */
async function keep({ loaded, port }: Run, reports: readonly Report[]): Promise<void> {
  const [{ openSpool }, { redactJson }] = await Promise.all([
    import("../../hooks/spool.ts"),
    import("../../protocol/redact.ts"),
  ]);
  try {
    const spool = openSpool(serverPaths(loaded.values.state_dir, port).spool);
    const { redact, redact_patterns: patterns } = loaded.values;
    for (const { text, time } of reports) spool.add(redact ? redactJson(text, patterns) : text, time);
    printError("The server was not there for all of it: the session is reported when the server is back");
  } catch (error) {
    printError(`Warning: the session was not reported whole: ${(error as Error).message}`);
    printError("See: claude-mpm-socketio doctor");
  }
}

/** A client that finds its server by itself: what it is given before that waits. */
async function connect({ loaded, rawArgs, port }: Run, say: (text: string) => void) {
  // Loaded only now, while the command runs.
  const [
    { ClientManager },
    http,
    { agentFor },
    { endpointOf, isOverheard },
    { addressOf, overheard, runningOrStartedServer },
  ] = await Promise.all([
    import("../../client/manager.ts"),
    import("../../client/http.ts"),
    import("../../client/trust.ts"),
    import("../../daemon/endpoint.ts"),
    import("../reach.ts"),
  ]);
  const { deployment_mode: mode, max_connection_attempts, reconnection_delay } = loaded.values;
  let endpoint = (): Endpoint => endpointOf(addressOf(loaded));
  const client = new ClientManager({
    ask: http.askTrusting(() => endpoint().certificates),
    agent: () => agentFor(endpoint()),
    // Whoever is on the port by then is not told the token of who was there.
    token: ({ url }) => (endpoint().url === url ? endpoint().token : null),
    maxConnectionAttempts: max_connection_attempts,
    reconnectionDelayMs: reconnection_delay * 1000,
  });
  let stop = () => Promise.resolve();

  const startEmbedded = async () => {
    const { startEmbeddedServer } = await import("../../embedded/server.ts");
    const { flags } = readServerFlags(rawArgs);
    const settings = Object.fromEntries(Object.entries(flags).map(([key, { raw }]) => [key, raw]));
    const server = await startEmbeddedServer({ port, settings }).catch(() =>
      startEmbeddedServer({ settings }),
    );
    ({ stop } = server);
    endpoint = () => server;
    return server;
  };
  const chooseServer = async () => {
    if (mode === "embedded") return startEmbedded();
    if (mode === "client") {
      // Looking finds out how it is to be asked.
      await (await import("../../daemon/find.ts")).findServer(addressOf(loaded));
      return endpoint();
    }
    try {
      return await runningOrStartedServer(loaded, rawArgs, say);
    } catch (error) {
      if (mode === "auto") return startEmbedded();
      say(`Warning: ${(error as Error).message}`);
      return endpoint();
    }
  };
  chooseServer().then(
    ({ url, token }) => {
      if (token === null && isOverheard(url, addressOf(loaded))) say(`Warning: ${overheard(url).message}`);
      else client.start(url);
    },
    (error: unknown) => say(`Warning: ${(error as Error).message}`),
  );
  return { client, stop: () => stop() };
}

/** The exit codes are those of a shell (POSIX, Shell Command Language, 2.8.2). */
function spawn(command: readonly string[], env: Record<string, string>): Bun.Subprocess {
  const [name = ""] = command;
  const start = (argv: readonly string[]) =>
    Bun.spawn([...argv], { env, stdio: ["inherit", "inherit", "inherit"] });
  try {
    return start(command);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const path = Bun.which(name);
    // A script without a first line that names its interpreter is one for sh, as execvp(3) has it.
    if (code === "ENOEXEC" && path !== null) return start(["/bin/sh", path, ...command.slice(1)]);
    if (code === "ENOENT") {
      const hint = existsSync(name)
        ? "Its first line names an interpreter that is missing"
        : "Check its spelling and PATH";
      throw new CommandError(`There is no command "${name}"`, hint, NOT_FOUND);
    }
    throw new CommandError(
      `"${name}" cannot be run: ${message}`,
      "Check its permissions: ls -l",
      NOT_EXECUTABLE,
    );
  }
}

/** What a terminal sends itself, to the command as well as to us; sent on it would come twice. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];
const SENT_ON: readonly NodeJS.Signals[] = [
  ...FROM_TERMINAL,
  "SIGTERM",
  "SIGHUP",
  "SIGWINCH",
  "SIGUSR1",
  "SIGUSR2",
];

function forwardSignals(send: (signal: NodeJS.Signals) => void): void {
  const onTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  for (const signal of SENT_ON.filter((name) => name in constants.signals)) {
    process.on(signal, () => {
      if (!(onTerminal && FROM_TERMINAL.includes(signal))) send(signal);
    });
  }
}

/** The port for a server in this process, known before there is one, so that the command can be told. */
async function portFor(configured: number): Promise<number> {
  const { createServer } = await import("node:net");
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      const server = createServer();
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        const { port: taken } = server.address() as { port: number };
        server.close(() => resolve(taken));
      });
    });
  return listen(configured).catch(() => listen(0));
}
