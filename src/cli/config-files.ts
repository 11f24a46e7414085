/** The files that a configuration names, read as a server reads them. */
import { JwtKeyError, readPublicKey } from "../auth/public-key.ts";
import { ConfigError, type LoadedConfig } from "../config/load.ts";
import { checkTls } from "../config/tls.ts";

/** Throws a `ConfigError` that says which file cannot be used, and where it is named. */
export function checkConfigFiles(loaded: LoadedConfig): void {
  checkTls(loaded);
  const { values, origins } = loaded;
  try {
    if (values.jwt_public_key !== null) readPublicKey(values.jwt_public_key);
  } catch (error) {
    if (!(error instanceof JwtKeyError)) throw error;
    throw new ConfigError([`${origins.jwt_public_key.source}: ${error.message}`]);
  }
}
