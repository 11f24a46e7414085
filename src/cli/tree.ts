/** The command tree, each command loaded only when it is called. */
import type { ArgsDef } from "citty";

/**
 * Citty's definition of arguments, with what it does not know. `valueHint` is what help, completions and the manual go
 * by: `a|b` lists the values there are, `FILE` is a file, `DIR` a directory, `KEY=VALUE` a configuration key.
 */
export type Args = Record<string, ArgsDef[string] & { hidden?: true; repeatable?: true }>;

/** A command: its arguments, and a `run` that returns the exit code. */
export interface Command {
  description: string;
  args?: Args;
  /** Lines that stand below the flags in its help. */
  details?: string;
  /** It runs a command of the user's: what stands after `--`, which nobody else looks into. */
  takesCommand?: true;
  run(context: CommandContext): number | Promise<number>;
}

export interface CommandContext {
  args: Record<string, string | boolean | undefined>;
  rawArgs: string[];
  /** What stands after `--`; empty for commands that do not take it. */
  operands: string[];
  /** All commands, for those that speak of them: importing the tree would be a circle. */
  tree: Group;
}

export interface Group {
  description: string;
  commands: Record<string, Lazy | Group>;
  /** What its name alone does, where that is something. */
  load?: Lazy["load"];
}

export interface Lazy {
  description: string;
  load: () => Promise<{ default: Command }>;
}

const lazy = (description: string, load: Lazy["load"]): Lazy => ({ description, load });

const commands: Record<string, Lazy | Group> = {
  serve: lazy("Run the server in the foreground", () => import("./commands/serve.ts")),
  start: lazy("Start the server in the background", () => import("./commands/start.ts")),
  stop: lazy("Stop the server", () => import("./commands/stop.ts")),
  restart: lazy("Stop the server and start it again", () => import("./commands/restart.ts")),
  status: lazy("Show whether the server runs, and how it does", () => import("./commands/status.ts")),
  health: lazy("Ask the server whether it is healthy", () => import("./commands/health.ts")),
  logs: lazy("Show the server's log", () => import("./commands/logs.ts")),
  open: lazy("Open the dashboard in the browser", () => import("./commands/open.ts")),
  tail: lazy("Show events as they come", () => import("./commands/tail.ts")),
  history: {
    ...lazy("Show stored events", () => import("./commands/history.ts")),
    commands: {
      export: lazy("Write the whole history into a file", () => import("./commands/history-export.ts")),
      import: lazy(
        "Bring the history of another server into this one",
        () => import("./commands/history-import.ts"),
      ),
      clear: lazy("Forget the history, or its beginning", () => import("./commands/history-clear.ts")),
    },
  },
  emit: lazy("Send one event", () => import("./commands/emit.ts")),
  run: lazy("Run a command, and report its start and its end", () => import("./commands/run.ts")),
  hook: lazy("Deliver a Claude Code hook, given on standard input", () => import("./commands/hook.ts")),
  doctor: lazy(
    "Check everything that can be wrong, and say how to mend it",
    () => import("./commands/doctor.ts"),
  ),
  hooks: {
    description: "Register the hook in Claude Code's settings, and take it out again",
    commands: {
      install: lazy("Register the hook for every event", () => import("./commands/hooks-install.ts")),
      uninstall: lazy(
        "Take the hook out of the settings again",
        () => import("./commands/hooks-uninstall.ts"),
      ),
      status: lazy("Show where the hook is registered", () => import("./commands/hooks-status.ts")),
    },
  },
  service: {
    description: "Let systemd, launchd or the Task Scheduler run the server",
    commands: {
      install: lazy("Install the service and start it", () => import("./commands/service-install.ts")),
      uninstall: lazy("Stop the service and remove it", () => import("./commands/service-uninstall.ts")),
      start: lazy("Start the service", () => import("./commands/service-start.ts")),
      stop: lazy("Stop the service", () => import("./commands/service-stop.ts")),
      status: lazy("Show whether the service runs", () => import("./commands/service-status.ts")),
    },
  },
  install: lazy("The same as service install", () => import("./commands/service-install.ts")),
  uninstall: lazy("The same as service uninstall", () => import("./commands/service-uninstall.ts")),
  config: {
    description: "Show, check and make the configuration",
    commands: {
      show: lazy(
        "Show the effective values and where each comes from",
        () => import("./commands/config-show.ts"),
      ),
      check: lazy("Check the configuration", () => import("./commands/config-check.ts")),
      init: lazy("Write a commented starter file", () => import("./commands/config-init.ts")),
      path: lazy("Show where configuration files are looked for", () => import("./commands/config-path.ts")),
      schema: lazy("Print the JSON Schema of the file", () => import("./commands/config-schema.ts")),
    },
  },
  token: {
    description: "Make access tokens, and take them back",
    commands: {
      create: lazy("Make a token", () => import("./commands/token-create.ts")),
      list: lazy("List the tokens", () => import("./commands/token-list.ts")),
      revoke: lazy("Take tokens back", () => import("./commands/token-revoke.ts")),
    },
  },
  metrics: {
    description: "Print what Grafana and Prometheus need to watch servers",
    commands: {
      dashboard: lazy("Print a dashboard for Grafana", () => import("./commands/metrics-dashboard.ts")),
      alerts: lazy("Print alert rules for Prometheus", () => import("./commands/metrics-alerts.ts")),
    },
  },
  completions: lazy("Print the completion script of a shell", () => import("./commands/completions.ts")),
  version: lazy("Show the versions of everything", () => import("./commands/version.ts")),
  upgrade: lazy("Replace this program by a newer release", () => import("./commands/upgrade.ts")),
  "install-deps": lazy(
    "For old scripts: nothing has to be installed",
    () => import("./commands/install-deps.ts"),
  ),
};

/** The root: what stands behind the program's name. */
export const TREE: Group = { description: "Event server for coding agents", commands };
