/** `redis_url` as text and in parts; no I/O, and nothing of the Redis client. */

export interface RedisTarget {
  /** As it may be shown: without the password. */
  shown: string;
  tls: boolean;
  /** One Redis, or the sentinels that know which one is the master. */
  hosts: { host: string; port: number }[];
  /** The name under which sentinels know the master; null where the host is Redis itself. */
  master: string | null;
  username: string | null;
  password: string | null;
  db: number;
}

const PORTS = { "redis:": 6379, "rediss:": 6379, "redis-sentinel:": 26379 } as const;
const FORMS =
  "`redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, `rediss://…` for TLS, or `redis-sentinel://[USER:PASSWORD@]HOST:PORT,…/MASTER[/DB]`";

/** Takes a URL apart; throws an `Error` whose message says what is allowed, and never holds the password. */
export function parseRedisUrl(text: string): RedisTarget {
  const [, scheme = "", rest = ""] = /^([a-z-]+:)\/\/(.*)$/s.exec(text) ?? [];
  if (!Object.hasOwn(PORTS, scheme)) throw new Error(`it has to be ${FORMS}`);
  const at = rest.lastIndexOf("@");
  const [authority = "", ...path] = rest.slice(at + 1).split("/");
  const isSentinel = scheme === "redis-sentinel:";
  const master = isSentinel ? decode(path.shift() ?? "") : null;
  const hosts = authority.split(",").map((part) => readHost(part, PORTS[scheme as keyof typeof PORTS]));
  const db = path[0] === undefined || path[0] === "" ? 0 : Number(path[0]);
  if (hosts.includes(null) || (hosts.length > 1 && !isSentinel)) throw new Error(`it has to be ${FORMS}`);
  if (master === "") throw new Error(`the name of the master is missing: it has to be ${FORMS}`);
  if (path.length > 1 || !Number.isInteger(db) || db < 0) {
    throw new Error(`the number of the database is not one: it has to be ${FORMS}`);
  }
  return {
    shown: `${scheme}//${rest.slice(at + 1)}`,
    tls: scheme === "rediss:",
    hosts: hosts as RedisTarget["hosts"],
    master,
    ...readUser(at === -1 ? "" : rest.slice(0, at)),
    db,
  };
}

function readHost(text: string, defaultPort: number): RedisTarget["hosts"][number] | null {
  const [, six, name, port] = /^(?:\[([\da-f:.]+)\]|([^\s:[\]?#]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = six ?? name;
  const number = port === undefined ? defaultPort : Number(port);
  return host === undefined || number < 1 || number > 65_535 ? null : { host, port: number };
}

/** A text without a colon is a password, as the Redis tools take it with an empty user. */
function readUser(text: string): { username: string | null; password: string | null } {
  const colon = text.indexOf(":");
  const [user, secret] = colon === -1 ? ["", text] : [text.slice(0, colon), text.slice(colon + 1)];
  return { username: decode(user) || null, password: decode(secret) || null };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
