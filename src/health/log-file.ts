import type { Logging } from "../logging.ts";
import type { HealthCheck } from "../protocol/messages.ts";

/** Whether log lines get into their file. */
export function logFileMonitor(logging: Pick<Logging, "fileProblem">): () => HealthCheck {
  return () => {
    const problem = logging.fileProblem();
    return problem === null
      ? { name: "log_file", status: "healthy", message: "log lines are written" }
      : { name: "log_file", status: "degraded", message: `the log file cannot be written: ${problem}` };
  };
}
