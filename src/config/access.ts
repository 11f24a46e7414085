/** Whether a server with this configuration asks for tokens. */
import { isLoopbackHost } from "../protocol/hosts.ts";
import type { Config, Key } from "./schema.ts";

export function asksForTokens({ auth, host }: Pick<Config, "auth" | "host">): boolean {
  return auth === "on" || (auth === "auto" && !isLoopbackHost(host));
}

/** In a few words why they are asked for, or are not. */
export function reasonOfAccess({ auth, host }: Pick<Config, "auth" | "host">): string {
  if (auth !== "auto") return `auth is ${auth}`;
  return isLoopbackHost(host) ? `only this machine reaches ${host}` : `others reach ${host}`;
}

/** Below this a secret may be a word. */
const WEAK_CHARS = 16;

/** Those that can be guessed. */
export function weakSecrets(config: Config): { key: Key; characters: number }[] {
  return (["token", "jwt_secret"] as const).flatMap((key) => {
    const characters = config[key]?.length ?? WEAK_CHARS;
    return characters < WEAK_CHARS ? [{ key, characters }] : [];
  });
}

/** Whether any credential stands in the configuration itself. */
export function namesCredentials(config: Config): boolean {
  const { token, jwt_secret, jwt_public_key, jwt_jwks_url } = config;
  return [token, jwt_secret, jwt_public_key, jwt_jwks_url].some((value) => value !== null);
}
