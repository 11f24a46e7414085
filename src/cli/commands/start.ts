import { asksForTokens } from "../../config/access.ts";
import { tokenPaths } from "../../config/paths.ts";
import { flagFor, type LoadedConfig } from "../../config/load.ts";
import { type Config, isKey } from "../../config/schema.ts";
import type { Instance } from "../../daemon/instance.ts";
import { asksForToken } from "../../daemon/instance-text.ts";
import { type Started, startServer } from "../../daemon/start.ts";
import { displayUrl, schemeOf } from "../../protocol/hosts.ts";
import { startNotes } from "../exposure.ts";
import { firstTokenText, trialText } from "../first-words.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS, secretVariables, serverArgs } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { addressOf } from "../reach.ts";
import type { Command } from "../tree.ts";
import { selfCommand } from "../self.ts";

export default {
  description: "Start the server in the background; returns once it answers",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const loaded = loadForCommand(rawArgs);
    return startAndReport(loaded, rawArgs, args.json === true);
  },
} satisfies Command;

/** Starts a server with these flags and says what came of it; throws when there is none in the end. */
export async function startAndReport(
  loaded: LoadedConfig,
  rawArgs: readonly string[],
  json: boolean,
): Promise<number> {
  const args = serverArgs(rawArgs, loaded);
  const secrets = secretVariables(rawArgs);
  const started = await startServer({ command: selfCommand(), args, secrets, ...addressOf(loaded) });
  if (started.outcome === "failed") throw new CommandError(started.message, started.hint, started.exitCode);
  const notes = started.outcome === "started" ? startNotes(loaded, started.health.port) : [];
  return reportStart(started, loaded, json, notes);
}

/** Says that a server runs, and how it differs from the one that was asked for. */
export function reportStart(
  started: Exclude<Started, { outcome: "failed" }>,
  loaded: LoadedConfig,
  json: boolean,
  notes: readonly string[] = [],
): number {
  const differences = started.outcome === "already_running" ? differencesFrom(started.instance, loaded) : [];
  const { pid, health } = started;
  const url = displayUrl(health.host, health.port, schemeOf(started.url));
  const firstToken = started.outcome === "started" ? started.firstToken : null;
  if (json) {
    const first = firstToken === null ? {} : { first_token: firstToken };
    const more = notes.length === 0 ? first : { ...first, notes };
    printJson({ outcome: started.outcome, url, pid, server_id: health.server_id, differences, ...more });
    return EXIT.done;
  }
  const isOpen =
    started.outcome === "already_running" &&
    started.instance !== null &&
    asksForTokens(loaded.values) &&
    !asksForToken(started.instance);
  const already = isOpen ? "Already running, and it does NOT ask for tokens" : "Already running";
  const verb = started.outcome === "started" ? "Started" : already;
  const tokenFile = started.token === null ? null : tokenPaths(loaded.values.state_dir).local;
  print(
    `${verb}: ${url} (PID ${pid}, ${health.server_id})\n${trialText(url, { tokenFile, tlsCert: loaded.values.tls_cert })}`,
  );
  if (firstToken !== null) print(firstTokenText(firstToken));
  for (const note of notes) print(note);
  if (started.outcome === "already_running" && started.instance === null) {
    print(
      `It was not started from ${loaded.values.state_dir}: it belongs to another user, container or state directory`,
    );
  }
  if (differences.length > 0) {
    print("It runs with other settings than these:");
    for (const { flag, running, asked } of differences) print(`  ${flag}: it has ${running}, not ${asked}`);
    print("To take them up: claude-mpm-socketio restart, with the same flags");
  }
  return EXIT.done;
}

interface Difference {
  flag: string;
  running: string;
  asked: string;
}

/** The settings this command names, by flag, variable or file, that the running server has otherwise. */
function differencesFrom(instance: Instance | null, { values, origins }: LoadedConfig): Difference[] {
  return Object.entries(instance?.settings ?? {}).flatMap(([name, running]) => {
    if (!isKey(name) || !["flag", "env", "file"].includes(origins[name].kind)) return [];
    const asked: Config[typeof name] = values[name];
    if (JSON.stringify(asked) === JSON.stringify(running)) return [];
    return [{ flag: flagFor(name), running: JSON.stringify(running), asked: JSON.stringify(asked) }];
  });
}
