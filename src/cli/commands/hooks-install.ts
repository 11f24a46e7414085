import { asksForTokens } from "../../config/access.ts";
import { processEnv } from "../../config/env.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { ENV_PREFIX, SCHEMA } from "../../config/schema.ts";
import { isOverheard } from "../../daemon/endpoint.ts";
import { readInstance } from "../../daemon/instance.ts";
import { asksForToken as instanceAsks } from "../../daemon/instance-text.ts";
import { OLDEST_CLAUDE_CODE } from "../../hooks/settings/events.ts";
import { inspectHooks } from "../../hooks/settings/inspect.ts";
import { installHooks } from "../../hooks/settings/install.ts";
import { quote, registeredHooks } from "../../hooks/settings/own-hook.ts";
import { stableProgram } from "../../hooks/settings/program.ts";
import { settingsPath } from "../../hooks/settings/scopes.ts";
import { localUrl } from "../../protocol/hosts.ts";
import { IS_COMPILED } from "../../version.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson, table } from "../output.ts";
import type { Command } from "../tree.ts";
import { SCOPE_ARG, scopeOf, surroundings } from "../scope.ts";
import { selfCommand } from "../self.ts";

/** What tells the hook which server it is for. */
const ADDRESS = ["host", "port", "state_dir", "tls_cert"] as const;

const HTTP_DRAWBACK =
  "while the server is down, Claude Code shows an error at every event, events are lost, and whatever holds the port by then reads them";
const HTTPS_DRAWBACK =
  "Claude Code has to trust the server's certificate: start it with NODE_EXTRA_CA_CERTS=FILE where the system does not";
const TOKEN_VARIABLE = `${ENV_PREFIX}${SCHEMA.token.env}`;
const TOKEN_NEEDED = `Claude Code sends the token that it finds in ${TOKEN_VARIABLE}: make one (claude-mpm-socketio token create --scope publish), and set it where Claude Code is started`;
const SHARED =
  "who shares this project needs the program at the same path; hooks install --scope local is for you alone";

const {
  host,
  port,
  "state-dir": stateDir,
  "tls-cert": tlsCert,
  config,
} = SERVER_ARGS as Record<string, { type: "string" }>;

export default {
  description:
    "Register the hook for every event in Claude Code's settings; all else in the file stays, and a backup is written. " +
    "The address of the server, when given here, is registered with it",
  args: {
    ...SCOPE_ARG,
    http: {
      type: "boolean",
      description: `Let Claude Code post to the server itself; ${HTTP_DRAWBACK}`,
    },
    ...({ host, port, "state-dir": stateDir, "tls-cert": tlsCert, config } as typeof SERVER_ARGS),
    ...JSON_ARG,
  },
  run({ args, rawArgs }) {
    const scope = scopeOf(args);
    const around = surroundings();
    const path = settingsPath(scope, around);
    const loaded = loadForCommand(rawArgs);
    if (loaded.values.port === 0) {
      throw new CommandError("The hook needs the port of a server", "Write --port N", EXIT.usage);
    }
    const { command, warnings } = stableProgram({
      command: selfCommand(),
      compiled: IS_COMPILED,
      argv0: process.argv0,
      path: processEnv().PATH,
      cwd: around.cwd,
    });
    const words = [...command, "hook", ...addressFlags(loaded, args.config !== undefined)];
    // The address, not a name: of `localhost` the other family's port may be another user's.
    const { values } = loaded;
    const tokenVariable = args.http === true && asksForToken(loaded) ? TOKEN_VARIABLE : null;
    const sent = { token: tokenVariable, allowPlainHttp: values.allow_plain_http };
    const isOverTls = values.tls_cert !== null || isOverheard(localUrl(values.host, values.port), sent);
    const scheme = isOverTls ? "https" : "http";
    const url = `${localUrl(values.host, values.port, scheme)}/api/hooks/claude`;
    const hooks = registeredHooks(
      args.http === true ? { command: words, url, tokenVariable } : { command: words },
      around.platform,
    );
    const change = installHooks(path, hooks, around.platform);

    const said = [
      ...warnings,
      ...addressWarnings(loaded),
      ...(scope === "project" ? [SHARED] : []),
      ...(args.http === true ? [HTTP_DRAWBACK] : []),
      ...(args.http === true && scheme === "https" ? [HTTPS_DRAWBACK] : []),
      ...(tokenVariable === null ? [] : [TOKEN_NEEDED]),
      ...inspectHooks(around).problems.map(({ message, hint }) => `${message}. ${hint}`),
    ];
    const registered = args.http === true ? url : words.map((word) => quote(word, around.platform)).join(" ");
    if (args.json === true) {
      printJson({ scope, ...change, events: [...hooks.keys()], command: registered, warnings: said });
      return EXIT.done;
    }
    for (const warning of said) printError(`Warning: ${warning}`);
    if (!change.changed) {
      print(`The hook is registered in ${path} already; nothing was changed`);
      return EXIT.done;
    }
    const events = [...hooks.keys()];
    print(`${change.replaced ? "Renewed" : "Registered"} the hook in ${path}`);
    print(
      table([
        ["  events", `${events.length}, from ${events[0]} to ${events.at(-1)}`],
        [args.http === true ? "  URL" : "  command", registered],
        ...(change.backup === null ? [] : [["  backup", change.backup]]),
      ]),
    );
    print("Sessions that run already may have to be started anew.");
    print(
      `Claude Code has to be ${OLDEST_CLAUDE_CODE} or later: before, it skips a file with events it does not know.`,
    );
    print(`To undo it: claude-mpm-socketio hooks uninstall${scope === "user" ? "" : ` --scope ${scope}`}`);
    return EXIT.done;
  },
} satisfies Command;

/** As the server that is there has it, or the one that these settings would start. */
function asksForToken({ values }: LoadedConfig): boolean {
  const file = readInstance(values.state_dir, values.port);
  if (file.found === "instance") return instanceAsks(file.instance);
  return values.token !== null || asksForTokens(values);
}

/** The flags as they were given, with absolute paths: a hook runs in any directory. */
function addressFlags({ values, origins, file }: LoadedConfig, configGiven: boolean): string[] {
  const flags = ADDRESS.filter((key) => origins[key].kind === "flag").flatMap((key) => {
    return [`--${key.replaceAll("_", "-")}`, `${values[key]}`];
  });
  return configGiven && file !== null ? [...flags, "--config", file] : flags;
}

/** Claude Code has the variables of the shell it is started from, which need not be this one. */
function addressWarnings({ origins }: LoadedConfig): string[] {
  return ADDRESS.filter((key) => origins[key].kind === "env").map((key) => {
    const flag = `--${key.replaceAll("_", "-")}`;
    return `${origins[key].source} is set here, and has to be where Claude Code is started; or name it: hooks install ${flag} …`;
  });
}
