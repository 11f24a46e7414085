/** The Windows Task Scheduler, by schtasks.exe. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Mode,
  mustRun,
  orUndo,
  ServiceError,
  type ServiceManager,
  type ServiceState,
} from "./manager.ts";
import type { Run } from "./tool.ts";
import { encodeTask, LOCAL_SERVICE, TASK } from "./windows.ts";

const RUNNING = "4";
const ADMINISTRATORS = "S-1-5-32-544";

export interface SchtasksOptions {
  mode: Mode;
  /** Where the system's task keeps its state, for its own user and administrators alone. */
  stateDir: string;
  run: Run;
}

export function schtasksManager({ mode, stateDir, run }: SchtasksOptions): ServiceManager {
  const hint =
    mode === "system" ? "Run it as administrator" : "Look at the task in taskschd.msc, and try again";
  const schtasks = (...args: string[]) => mustRun(run, "schtasks.exe", args, hint);
  // Both modes have one name: what is triggered by a log-on is the user's.
  const isOfMode = (xml: string) => xml.includes("<LogonTrigger>") === (mode === "user");
  const anyDefinition = () => {
    const { status, stdout } = run("schtasks.exe", ["/Query", "/TN", TASK, "/XML"]);
    return status === 0 ? stdout : null;
  };
  const definition = () => {
    const xml = anyDefinition();
    return xml !== null && isOfMode(xml) ? xml : null;
  };
  const create = (xml: string) => {
    const directory = mkdtempSync(join(tmpdir(), "claude-mpm-socketio-"));
    try {
      const file = join(directory, "task.xml");
      writeFileSync(file, encodeTask(xml));
      schtasks("/Create", "/F", "/TN", TASK, "/XML", file);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const stop = () => {
    // Otherwise its trigger starts it again within a minute.
    schtasks("/Change", "/TN", TASK, "/DISABLE");
    run("schtasks.exe", ["/End", "/TN", TASK]);
  };
  const start = () => {
    schtasks("/Change", "/TN", TASK, "/ENABLE");
    schtasks("/Run", "/TN", TASK);
  };

  return {
    name: "the Task Scheduler",
    logHint: "claude-mpm-socketio logs",
    check() {
      // It answers administrators alone, and changes nothing.
      if (mode === "system" && run("net.exe", ["session"]).status !== 0) {
        throw new ServiceError(
          "The machine's services are for administrators",
          "Run it as administrator, or use --mode user",
        );
      }
    },
    state(): ServiceState {
      const xml = definition();
      // schtasks says it in the system's language; this is a number.
      const query = `[int](Get-ScheduledTask -TaskName '${TASK}').State`;
      const running =
        xml !== null && run("powershell.exe", ["-NoProfile", "-Command", query]).stdout.trim() === RUNNING;
      return {
        installed: xml !== null,
        enabled: xml !== null && !/<Settings>.*<Enabled>false<\/Enabled>.*<\/Settings>/s.test(xml),
        running,
        pid: null,
        definition: xml === null ? null : `task ${TASK}`,
        program: null,
        failure: null,
      };
    },
    install(xml) {
      const before = anyDefinition();
      if (before !== null && !isOfMode(before)) {
        const other = mode === "user" ? "system" : "user";
        throw new ServiceError(
          `The task ${TASK} is there already, of mode ${other}, and there can be only one`,
          `Take that out first: claude-mpm-socketio service uninstall --mode ${other}`,
        );
      }
      const undo = () => {
        run("schtasks.exe", ["/End", "/TN", TASK]);
        if (before === null) run("schtasks.exe", ["/Delete", "/F", "/TN", TASK]);
        else {
          create(before);
          run("schtasks.exe", ["/Run", "/TN", TASK]);
        }
      };
      orUndo(() => {
        if (mode === "system") {
          mkdirSync(stateDir, { recursive: true });
          const grants = [LOCAL_SERVICE, ADMINISTRATORS].flatMap((sid) => ["/grant", `*${sid}:(OI)(CI)F`]);
          mustRun(run, "icacls.exe", [stateDir, "/inheritance:r", ...grants], hint);
        }
        if (before !== null) stop();
        create(xml);
        start();
      }, undo);
      return undo;
    },
    remove() {
      if (definition() === null) return [];
      stop();
      schtasks("/Delete", "/F", "/TN", TASK);
      return [`task ${TASK}`];
    },
    start,
    stop,
    restart() {
      stop();
      start();
    },
  };
}
