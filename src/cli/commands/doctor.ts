import type { LoadedConfig } from "../../config/load.ts";
import { inspectHooks } from "../../hooks/settings/inspect.ts";
import { IS_COMPILED } from "../../version.ts";
import { checkAccess, checkExposure } from "../doctor/access-checks.ts";
import {
  checkConfiguration,
  checkDamagedLogs,
  checkPort,
  checkProxy,
  checkStaleFiles,
  checkStateDir,
  checkVersions,
  type Finding,
} from "../doctor/checks.ts";
import { checkHooks } from "../doctor/hook-checks.ts";
import { checkService } from "../doctor/service-checks.ts";
import { withTrialServer } from "../doctor/trial.ts";
import { checkSpool, checkWay } from "../doctor/way-checks.ts";
import { JSON_ARG, readServerFlags, SERVER_ARGS } from "../flags.ts";
import { EXIT, print, printJson, style, table } from "../output.ts";
import { addressOf } from "../reach.ts";
import type { Command } from "../tree.ts";
import { surroundings } from "../scope.ts";
import { machineOf } from "../service.ts";

export default {
  description:
    "Check configuration, directory, port, files and the way of an event; exit 1 when something has to be mended",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const findings = await examine(rawArgs);
    const healthy = findings.every(({ status }) => status !== "failed");
    if (args.json === true) printJson({ ok: healthy, checks: findings });
    else printFindings(findings);
    return healthy ? EXIT.done : EXIT.failed;
  },
} satisfies Command;

/** Every check, in the order in which one thing depends on another. */
export async function examine(rawArgs: readonly string[]): Promise<Finding[]> {
  const { findings, loaded } = checkConfiguration({ ...readServerFlags(rawArgs), compiled: IS_COMPILED });
  findings.push(...checkVersions());
  if (!loaded) return findings;
  // Stale files first: to look at the port is to remove what is found stale on it.
  findings.push(
    ...checkStateDir(loaded),
    ...checkStaleFiles(loaded),
    ...checkDamagedLogs(loaded),
    ...(await checkSharedLog(loaded)),
    ...checkProxy(),
    ...checkHooks(inspectHooks(surroundings())),
    ...checkService(machineOf()),
  );
  const port = await checkPort(loaded);
  findings.push(...port.findings);
  findings.push(...checkAccess(loaded, port.found), ...checkExposure(loaded, port.found));
  findings.push(...checkSpool(loaded, port.found.state === "running"));
  if (port.found.state === "running")
    findings.push(...(await checkWay(addressOf(loaded), port.found.instance !== null)));
  else findings.push(...(await walkOnTrial()));
  return findings;
}

export function printFindings(findings: readonly Finding[]): void {
  const marks = {
    ok: style("ok", "green"),
    warning: style("warning", "yellow"),
    failed: style("failed", "red"),
  };
  print(
    table(
      findings.flatMap(({ name, status, message, hint }) => {
        const row = [name, marks[status], message];
        return hint ? [row, ["", "", `→ ${hint}`]] : [row];
      }),
    ),
  );
}

/** Most have none, and would load its client for nothing. */
async function checkSharedLog(loaded: LoadedConfig): Promise<Finding[]> {
  if (loaded.values.redis_url === null) return [];
  const { checkRedis } = await import("../doctor/redis-checks.ts");
  return checkRedis(loaded);
}

async function walkOnTrial(): Promise<Finding[]> {
  try {
    const findings = await withTrialServer((server) => checkWay(server, true));
    return findings.map((finding) => ({ ...finding, message: `${finding.message} (on a trial server)` }));
  } catch (error) {
    const { message } = error as Error;
    return [
      {
        name: "canary",
        status: "failed",
        message: `no trial server could be started: ${message}`,
        hint: "Run one in the foreground: claude-mpm-socketio serve --port 0",
      },
    ];
  }
}
