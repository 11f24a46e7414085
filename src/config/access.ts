/** Whether a server with this configuration asks for tokens. */
import { isLoopbackHost } from "../protocol/hosts.ts";
import type { Config } from "./schema.ts";

export function asksForTokens({ auth, host }: Pick<Config, "auth" | "host">): boolean {
  return auth === "on" || (auth === "auto" && !isLoopbackHost(host));
}

/** In a few words why they are asked for, or are not. */
export function reasonOfAccess({ auth, host }: Pick<Config, "auth" | "host">): string {
  if (auth !== "auto") return `auth is ${auth}`;
  return isLoopbackHost(host) ? `only this machine reaches ${host}` : `others reach ${host}`;
}

/** Whether any credential stands in the configuration itself. */
export function namesCredentials(config: Config): boolean {
  const { token, jwt_secret, jwt_public_key, jwt_jwks_url } = config;
  return [token, jwt_secret, jwt_public_key, jwt_jwks_url].some((value) => value !== null);
}
