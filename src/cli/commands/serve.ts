import { fstatSync } from "node:fs";
import { asksForTokens } from "../../config/access.ts";
import { ConfigError, loadConfig, type LoadedConfig } from "../../config/load.ts";
import { tokenPaths } from "../../config/paths.ts";
import { checkTls } from "../../config/tls.ts";
import { explainStartError, type Failure } from "../../daemon/failure.ts";
import { runServer } from "../../daemon/run.ts";
import type { BootReport } from "../../daemon/start.ts";
import { IS_COMPILED } from "../../version.ts";
import { startNotes } from "../exposure.ts";
import { firstTokenText, trialText } from "../first-words.ts";
import { loadForCommand, readServerFlags, SERVER_ARGS, secretVariables, serverArgs } from "../flags.ts";
import { CommandError, EXIT, print, printError } from "../output.ts";
import { addressOf } from "../reach.ts";
import type { Command } from "../tree.ts";

export default {
  description:
    "Run the server in the foreground; Ctrl-C or SIGTERM stop it gracefully, SIGHUP reads the configuration again",
  args: {
    ...SERVER_ARGS,
    background: {
      type: "boolean",
      hidden: true,
      description: "Used by start and by services: log to the file, report on stdout, leave the directory",
    },
  },
  async run({ args, rawArgs }) {
    const background = args.background === true;
    const startDirectory = process.cwd();
    try {
      const loaded = loadForCommand(rawArgs);
      checkTls(loaded);
      for (const variable of Object.keys(secretVariables(rawArgs))) {
        printError(
          `Warning: other users of this machine can see the secret in this command line; give it in ${variable}, or put it into the file`,
        );
      }
      // A server in the background holds no directory that somebody may want to remove.
      if (background) process.chdir(homeOf(loaded));
      await runServer({
        loaded: inBackground(loaded, background),
        reload: () => {
          const again = loadConfig({
            ...readServerFlags(rawArgs),
            compiled: IS_COMPILED,
            cwd: startDirectory,
          });
          return inBackground(again, background);
        },
        args: serverArgs(rawArgs, loaded),
        stderr: !background,
        onReady({ pid, host, port, url }, firstToken) {
          if (background) {
            return printReport({ ok: true, pid, host, port, firstToken: isKept() ? null : firstToken });
          }
          const { values } = loaded;
          const tokenFile = asksForTokens(values) ? tokenPaths(values.state_dir).local : null;
          print(`Ready at ${url}\n${trialText(url, { tokenFile, tlsCert: values.tls_cert })}`);
          if (firstToken !== null) print(firstTokenText(firstToken));
          for (const note of startNotes(loaded, port)) print(note);
        },
      }).catch(async (error: unknown) => {
        if (error instanceof ConfigError) throw error;
        const failure = await explainStartError(error, addressOf(loaded));
        throw new CommandError(failure.message, failure.hint, failure.exitCode);
      });
      return EXIT.done;
    } catch (error) {
      if (background) printReport({ ok: false, ...failureOf(error) });
      throw error;
    }
  },
} satisfies Command;

/** Whether what is said becomes a file, as by launchd: a token would stay in it, and nobody be told. */
function isKept(): boolean {
  try {
    return fstatSync(1).isFile();
  } catch {
    return false;
  }
}

/** A server in the background always logs to its file. */
function inBackground(loaded: LoadedConfig, background: boolean): LoadedConfig {
  return background ? { ...loaded, values: { ...loaded.values, log_to_file: true } } : loaded;
}

function homeOf({ values }: LoadedConfig): string {
  return process.platform === "win32" ? values.state_dir : "/";
}

function failureOf(error: unknown): Failure {
  if (error instanceof CommandError)
    return { exitCode: error.exitCode, message: error.message, hint: error.hint };
  const { message } = error as Error;
  const exitCode = error instanceof ConfigError ? EXIT.config : EXIT.failed;
  return { exitCode, message, hint: "What each key takes: claude-mpm-socketio config schema" };
}

function printReport(report: BootReport): void {
  print(JSON.stringify(report));
}
