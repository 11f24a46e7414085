/** Access control as the configuration has it, with the files in which tokens are kept. */
import { type Access, createAccess } from "./auth/access.ts";
import { createCredentials, type CredentialSettings } from "./auth/credentials.ts";
import { keepLocalToken } from "./auth/local-token.ts";
import { createLoginCodes, type LoginCodes } from "./auth/login-codes.ts";
import { JwtKeyError } from "./auth/public-key.ts";
import { addToken } from "./auth/token-file.ts";
import { createTokens } from "./auth/tokens.ts";
import { asksForTokens, namesCredentials, weakSecrets } from "./config/access.ts";
import { ConfigError } from "./config/load.ts";
import { tokenPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import type { Logger } from "./logging.ts";
import { isLoopbackHost } from "./protocol/hosts.ts";
import type { HealthCheck } from "./protocol/messages.ts";

export interface ServerAccess {
  access: Access;
  /** The token that was made because there was none by which anybody else could get in. */
  firstToken: string | null;
  /** That of this server's own user; null where none is asked for. */
  localToken: string | null;
  /** Null where no tokens are asked for. */
  loginCodes: LoginCodes | null;
  /** Takes up other credentials; throws a `ConfigError` when they cannot be used, and the old ones stay. */
  reload(config: Config): void;
  check(): HealthCheck;
}

const FIRST_TOKEN = "first start";

/** Throws a `TokenFileError` or a `ConfigError` when it is not certain who may get in. */
export function openAccess(config: Config, logger: Logger): Promise<ServerAccess> | ServerAccess {
  return asksForTokens(config) ? openGuarded(config, logger) : openToAll(config, logger);
}

async function openGuarded(config: Config, logger: Logger): Promise<ServerAccess> {
  const paths = tokenPaths(config.state_dir);
  let problem: string | null = null;
  const tokens = createTokens({
    path: paths.tokens,
    localPath: paths.local,
    onProblem(next) {
      problem = next;
      if (next === null) logger.info("the tokens can be read again");
      else logger.error("tokens cannot be read: nobody gets in by them", { error: next });
    },
  });
  let keySetProblem: string | null = null;
  const credentials = orConfigError(() =>
    createCredentials(tokens, settingsOf(config), (next) => {
      if (next !== null)
        logger.warn("the keys of JWTs cannot be read: no new ones are taken", { error: next });
      else if (keySetProblem !== null) logger.info("the keys of JWTs can be read again");
      keySetProblem = next;
    }),
  );
  for (const weak of weakSecrets(config))
    logger.warn("a configured secret is short enough to be guessed", { ...weak });
  const loginCodes = createLoginCodes(paths.tokens);
  const isFirst = !isLoopbackHost(config.host) && !namesCredentials(config) && tokens.count() === 0;
  const first = isFirst
    ? await addToken(paths.tokens, { name: FIRST_TOKEN, scopes: ["publish", "subscribe"], expiresAt: null })
    : null;

  return {
    access: createAccess({
      isOn: true,
      credentials: {
        find: (token) => credentials.find(token) ?? loginCodes.find(token),
        verify: credentials.verify,
      },
    }),
    loginCodes,
    firstToken: first?.token ?? null,
    localToken: keepLocalToken(paths.local),
    reload: (next) => orConfigError(() => credentials.configure(settingsOf(next))),
    check() {
      const message = problem ?? keySetProblem;
      if (message !== null) return { name: "tokens", status: "degraded", message };
      const count = tokens.count();
      return { name: "tokens", status: "healthy", message: count === 1 ? "1 token" : `${count} tokens` };
    },
  };
}

function openToAll({ host, state_dir }: Config, logger: Logger): ServerAccess {
  try {
    // Commands send it whether it is asked for or not.
    keepLocalToken(tokenPaths(state_dir).local);
  } catch (error) {
    logger.warn("the token for this user's commands cannot be kept", { error: (error as Error).message });
  }
  if (!isLoopbackHost(host)) {
    logger.warn("auth is off: whoever reaches this address can read and send everything", { host });
  }
  const nobody = { find: () => null, verify: () => null };
  return {
    access: createAccess({ isOn: false, credentials: nobody }),
    firstToken: null,
    localToken: null,
    loginCodes: null,
    reload() {},
    check: () => ({ name: "tokens", status: "healthy", message: "no token is asked for" }),
  };
}

function settingsOf(config: Config): CredentialSettings {
  const { token, jwt_secret, jwt_public_key, jwt_jwks_url, jwt_issuer, jwt_audience } = config;
  return {
    token,
    jwt: {
      secret: jwt_secret,
      publicKey: jwt_public_key,
      jwks: jwt_jwks_url,
      issuer: jwt_issuer,
      audience: jwt_audience,
    },
  };
}

function orConfigError<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof JwtKeyError ? new ConfigError([error.message]) : error;
  }
}
