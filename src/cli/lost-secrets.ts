/** What a server was given by a flag or a variable, is written down nowhere, and a restart therefore does not have. */
import type { LoadedConfig } from "../config/load.ts";
import { fieldOf, type Key, KEYS } from "../config/schema.ts";
import type { Instance } from "../daemon/instance.ts";

/** @param loaded what the server would be started with */
export function lostSecrets(before: Instance | null, { origins }: LoadedConfig): Key[] {
  return KEYS.filter(
    (key) => fieldOf(key).secret && before?.sources[key] !== undefined && origins[key].kind === "default",
  );
}
