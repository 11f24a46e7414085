/** The server a command talks to: found, started where that is wanted, or its absence explained. */
import type { Endpoint } from "../client/http.ts";
import type { LoadedConfig } from "../config/load.ts";
import { describeHolder, GIVE_TOKEN } from "../daemon/failure.ts";
import { isOverheard, localTokenProblem } from "../daemon/endpoint.ts";
import { findSettledServer, type Found, type ServerAddress } from "../daemon/find.ts";
import { startServer } from "../daemon/start.ts";
import { displayUrl, schemeOf } from "../protocol/hosts.ts";
import { startNotes } from "./exposure.ts";
import { firstTokenText } from "./first-words.ts";
import { secretVariables, serverArgs } from "./flags.ts";
import { CommandError, EXIT, printError } from "./output.ts";
import { selfCommand } from "./self.ts";

type Absent = Exclude<Found, { state: "running" }>;

/**
 * The server that runs; throws with exit code 3 when there is none, 1 when it does not answer, or asks for a token that
 * is not there.
 */
export async function runningServer(loaded: LoadedConfig): Promise<Endpoint> {
  const found = await findSettledServer(addressOf(loaded));
  if (found.state !== "running") throw absence(found, loaded);
  return found;
}

/**
 * As `runningServer`, but starts one in the background where none runs, and says so (on stderr), unless the
 * configuration's `auto_start` is false.
 */
export async function runningOrStartedServer(
  loaded: LoadedConfig,
  rawArgs: readonly string[],
  say: (text: string) => void = printError,
): Promise<Endpoint> {
  const found = await findSettledServer(addressOf(loaded));
  if (found.state === "running") return found;
  const isThere = ["hung", "guarded", "untrusted"].includes(found.state);
  if (isThere || !loaded.values.auto_start) throw absence(found, loaded);
  const args = serverArgs(rawArgs, loaded);
  const secrets = secretVariables(rawArgs);
  const started = await startServer({ command: selfCommand(), args, secrets, ...addressOf(loaded) });
  if (started.outcome === "failed") throw new CommandError(started.message, started.hint, started.exitCode);
  const { host, port } = started.health;
  if (started.outcome === "started") {
    say(
      `No server was running; started one: ${displayUrl(host, port, schemeOf(started.url))} (PID ${started.pid})`,
    );
    if (started.firstToken !== null) say(firstTokenText(started.firstToken));
    for (const note of startNotes(loaded, port)) say(note);
  }
  return started;
}

/** In one line, for whoever expected a server. */
export function whyNotRunning(found: Absent, loaded: LoadedConfig): string {
  const { message, hint } = absence(found, loaded);
  return `${message}. ${hint}`;
}

/** Where the configured server is to be found. */
export function addressOf({
  values: { host, port, token, state_dir: stateDir, tls_cert: tlsCert, allow_plain_http: allowPlainHttp },
}: LoadedConfig): ServerAddress {
  return { stateDir, host, port, token, tlsCert, allowPlainHttp };
}

function absence(found: Absent, loaded: LoadedConfig): CommandError {
  const { port, token, tls_cert: certificate } = loaded.values;
  const { origins } = loaded;
  const flag = origins.port.kind === "flag" ? ` --port ${port}` : "";
  switch (found.state) {
    case "hung":
      return new CommandError(
        `The server on port ${port} (PID ${found.pid}) does not answer`,
        `Start it anew: claude-mpm-socketio restart${flag}`,
      );
    case "guarded": {
      if (found.token === null && isOverheard(found.url, addressOf(loaded))) {
        return overheard(found.url);
      }
      const problem = found.token === null ? localTokenProblem(addressOf(loaded)) : null;
      if (problem !== null) {
        return new CommandError(
          `The server on port ${port} asks for a token: ${problem.message}`,
          problem.hint,
        );
      }
      return new CommandError(
        `The server on port ${port} asks for a token, and ${token === null ? "there is none here for it" : "does not know the configured one"}`,
        GIVE_TOKEN,
      );
    }
    case "untrusted":
      return new CommandError(
        `The certificate shown at ${found.url} is not believed: ${found.why}; nothing was sent`,
        found.instance === null
          ? certificate === null
            ? "Name the server's certificate: --tls-cert FILE"
            : `Believed is ${certificate} (tls_cert); see who holds the port: claude-mpm-socketio doctor${flag}`
          : `Put a good one in its place, then: kill -HUP ${found.instance.pid}; or claude-mpm-socketio restart${flag}`,
      );
    case "busy":
      return new CommandError(
        `The server on port ${port} is starting or stopping`,
        "Try again in a moment",
        EXIT.notRunning,
      );
    case "foreign":
      return new CommandError(
        `Port ${port} is held by ${describeHolder(found.holder)}, which is no server of ours`,
        "Name the port of the server: --port N",
        EXIT.notRunning,
      );
    case "none":
      return new CommandError(
        `No server runs on port ${port}${found.stale ? ` (removed ${found.stale})` : ""}`,
        `Start one: claude-mpm-socketio start${flag}`,
        EXIT.notRunning,
      );
  }
}

/** Of a server that would have to be told the token where others read it. */
export function overheard(url: string): CommandError {
  return new CommandError(
    `The server at ${url} speaks no TLS: others on the way would read the token, so it was not sent`,
    "Give it a certificate (tls_cert), go through ssh -L, or, on a network you trust, set allow_plain_http",
  );
}
