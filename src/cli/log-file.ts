import type { Config } from "../config/schema.ts";
import { serverPaths } from "../config/paths.ts";
import type { Instance } from "../daemon/instance.ts";

/** Where the server on this port logs: as it was started, else as one would be that is started now. */
export function logFileOf(instance: Instance | null, { log_file_path, state_dir, port }: Config): string {
  const running = instance?.settings.log_file_path;
  return typeof running === "string" ? running : (log_file_path ?? serverPaths(state_dir, port).log);
}
