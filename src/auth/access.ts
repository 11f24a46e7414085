/** Who asks, and what they may: the one place where a credential becomes a grant, for every entrance alike. */
import { CodedError, toCodedError } from "../protocol/errors.ts";
import { allows, type Needed, type Scope, SCOPES } from "./scopes.ts";
import { createThrottle } from "./throttle.ts";

/** What a credential allows. */
export interface Grant {
  /** For people and limits: what the token is called, never the token. */
  name: string;
  /** Of a token that was made here: by which it is revoked. */
  id?: string;
  scopes: readonly Scope[];
  /** Milliseconds since the epoch; null is never. */
  expiresAt: number | null;
  /** Whether it has been taken back, by revoking or replacing it. */
  isRevoked(): boolean;
}

/** Two kinds of credentials: null is one that is not known. */
export interface Credentials {
  /** Those made by us, of so much chance that nobody can guess them. */
  find(token: string): Grant | null;
  /** Those that others have made, which may be guessed: throws `token_invalid` with the reason where there is one. */
  verify(token: string): Grant | null | Promise<Grant | null>;
}

export interface Caller {
  /** The credential it gave, if any. */
  token: string | null;
  /** Where it comes from: failures are counted by it. */
  address(): string;
}

export interface Access {
  /** Whether tokens are asked for at all. */
  readonly isOn: boolean;
  /** Throws `token_missing`, `token_invalid`, `scope_missing` or `too_many_failures`. */
  admit(caller: Caller, needed: Needed): Grant | Promise<Grant>;
  /** What an asker may do at an open entrance: null without a good token. */
  recognize(caller: Caller): Grant | null | Promise<Grant | null>;
  /**
   * Calls `end` once when a grant that was given holds no longer; returns what ends the watch. For connections, which
   * outlive the moment at which they were let in.
   */
  watch(grant: Grant, end: (reason: CodedError) => void): () => void;
  /** Attempts in vain since the start. */
  failures(): number;
  close(): void;
}

/** The grant of everybody where no tokens are asked for. */
export const EVERYTHING: Grant = {
  name: "everybody",
  scopes: SCOPES,
  expiresAt: null,
  isRevoked: () => false,
};

/** How long a connection may outlive its token. */
const WATCH_MS = 1000;

export interface AccessOptions {
  isOn: boolean;
  credentials: Credentials;
  now?: () => number;
}

export function createAccess({ isOn, credentials, now = Date.now }: AccessOptions): Access {
  const throttle = createThrottle({ now });
  const watched = new Map<object, { grant: Grant; end: (reason: CodedError) => void }>();
  let timer: ReturnType<typeof setInterval> | null = null;

  function admit(caller: Caller, needed: Needed): Grant | Promise<Grant> {
    if (!isOn) return EVERYTHING;
    const { token } = caller;
    if (token === null) throw new CodedError("token_missing");
    const own = credentials.find(token);
    if (own !== null) return judge(own, needed);
    const retryAfter = throttle.wait(caller.address());
    if (retryAfter > 0) throw new CodedError("too_many_failures", undefined, { retryAfter });
    try {
      const found = credentials.verify(token);
      if (!(found instanceof Promise)) return judge(found, needed);
      return found
        .then((grant) => judge(grant, needed))
        .catch((error: unknown) => fail(error, token, caller));
    } catch (error) {
      return fail(error, token, caller);
    }
  }

  function judge(grant: Grant | null, needed: Needed): Grant {
    if (grant === null) throw new CodedError("token_invalid");
    const problem = problemOf(grant);
    if (problem) throw problem;
    if (allows(grant.scopes, needed)) return grant;
    throw new CodedError(
      "scope_missing",
      needed === "any" ? "The token allows nothing" : `The token does not have the scope "${needed}"`,
    );
  }

  function problemOf({ expiresAt, isRevoked }: Grant): CodedError | null {
    if (isRevoked()) return new CodedError("token_invalid", "The token has been revoked");
    const isOver = expiresAt !== null && expiresAt <= now();
    return isOver ? new CodedError("token_invalid", "The token has expired") : null;
  }

  function fail(error: unknown, token: string, caller: Caller): never {
    if (toCodedError(error).code === "token_invalid") throttle.fail(caller.address(), token);
    throw error;
  }

  function look(): void {
    for (const [key, { grant, end }] of watched) {
      const problem = problemOf(grant);
      if (problem === null) continue;
      watched.delete(key);
      end(problem);
    }
  }

  return {
    isOn,
    admit,

    recognize(caller) {
      if (caller.token === null && isOn) return null;
      try {
        const admitted = admit(caller, "subscribe");
        return admitted instanceof Promise ? admitted.catch(() => null) : admitted;
      } catch {
        return null;
      }
    },

    watch(grant, end) {
      if (grant === EVERYTHING) return () => {};
      timer ??= setInterval(look, WATCH_MS);
      const key = {};
      watched.set(key, { grant, end });
      return () => void watched.delete(key);
    },

    failures: () => throttle.failures(),
    close() {
      if (timer !== null) clearInterval(timer);
    },
  };
}
