/**
 * Every configuration key: type, default, range, environment variable and description, each once. The file,
 * the variables, `--set`, `config show`, `config init`, `config schema`, the README's table and all error
 * messages derive from this table. It is plain data so that the light commands can read it at no cost.
 */

interface FieldBase {
  /** Suffix of the environment variable, after `CLAUDE_MPM_SOCKETIO_`. */
  env: string;
  description: string;
  /** Has a flag of its own on the server commands, named as the key with dashes. */
  flag?: true;
  /** Never shown in the clear. */
  secret?: true;
  /** A running server takes a changed value up on SIGHUP. */
  reloadable?: true;
  /** What stands for a default that is computed when it is needed. */
  computed?: string;
}

export interface StringField extends FieldBase {
  type: "string" | "path";
  default: string | null;
  choices?: readonly string[];
  /** A regular expression the value has to match, and its explanation. */
  pattern?: { expression: string; means: string };
}

export interface NumberField extends FieldBase {
  type: "integer" | "number";
  default: number | null;
  min: number;
  max: number;
  unit?: string;
  /** The default where the server can be reached from other machines. */
  beyondLoopback?: number;
}

export interface BooleanField extends FieldBase {
  type: "boolean";
  default: boolean | null;
}

/** A list of strings; a lone string is a list of one, and a variable is split at commas unless it is a list in JSON. */
export interface ListField extends FieldBase {
  type: "list";
  default: readonly string[];
  /** What each item has to match, and its explanation. */
  pattern?: { expression: string; means: string };
}

export type Field = StringField | NumberField | BooleanField | ListField;

const MAX_COUNT = 1_000_000_000;

const OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])";
const IPV4 = `${OCTET}(\\.${OCTET}){3}`;
const IPV6 = "[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?";
/** What has digits and dots alone was to be an address. */
const HOST_NAME = "(?![0-9.]+$)[A-Za-z0-9_][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)*\\.?";

/** Passwords with a colon in them are common enough, and can be told apart. */
const USER_INFO = "([^\\s@/?#]*@)?";
const REDIS_HOST = `(${IPV4}|\\[${IPV6}\\]|${HOST_NAME})`;
const PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
const DATABASE = "([0-9]{1,4})";

export const SCHEMA = {
  host: {
    type: "string",
    default: "localhost",
    env: "HOST",
    flag: true,
    pattern: {
      expression: `^(${IPV4}|${IPV6}|\\[${IPV6}\\]|${HOST_NAME})$`,
      means: "an address of this machine, 0.0.0.0 or :: for all of them, or a name of it, without a port",
    },
    description: "Address to listen on; localhost is 127.0.0.1",
  },
  port: {
    type: "integer",
    default: 8765,
    min: 0,
    max: 65535,
    env: "PORT",
    flag: true,
    description: "Port to listen on; 0 takes any free one",
  },
  server_id: {
    type: "string",
    default: null,
    computed: "socketio- and 8 hex digits, kept across restarts",
    pattern: {
      expression: "^[A-Za-z0-9._:-]{1,64}$",
      means: "1 to 64 letters, digits, dots, colons, dashes or underscores",
    },
    env: "SERVER_ID",
    flag: true,
    description: "Name of this server in its answers and events",
  },
  deployment_mode: {
    type: "string",
    default: "auto",
    choices: ["auto", "standalone", "client", "embedded"],
    env: "MODE",
    description: "How the client library finds its server",
  },
  environment: {
    type: "string",
    default: null,
    computed: "detected",
    choices: ["development", "production", "docker", "installed"],
    env: "ENVIRONMENT",
    flag: true,
    description: "Preset the other defaults are taken from",
  },
  cors_allowed_origins: {
    type: "list",
    default: [],
    computed: "loopback origins only",
    env: "CORS",
    reloadable: true,
    description: "Origins whose pages may talk to the server besides loopback ones; * allows every page",
  },
  ping_interval: {
    type: "number",
    default: 25,
    min: 0.1,
    max: 3600,
    unit: "seconds",
    env: "PING_INTERVAL",
    description: "Time between two pings to a client",
  },
  ping_timeout: {
    type: "number",
    default: 60,
    min: 0.1,
    max: 3600,
    unit: "seconds",
    env: "PING_TIMEOUT",
    description: "Time a client has to answer a ping",
  },
  max_http_buffer_size: {
    type: "integer",
    default: 1_000_000,
    min: 1024,
    max: 8 * 1024 * 1024,
    unit: "bytes",
    env: "MAX_HTTP_BUFFER_SIZE",
    description: "Largest message and largest event",
  },
  max_history_size: {
    type: "integer",
    default: 10_000,
    min: 0,
    max: MAX_COUNT,
    unit: "events",
    env: "HISTORY_SIZE",
    description: "Events kept in the history",
  },
  max_history_age: {
    type: "number",
    default: 0,
    min: 0,
    max: MAX_COUNT,
    unit: "seconds",
    env: "HISTORY_AGE",
    description: "Age up to which events are kept; 0 keeps them whatever their age",
  },
  persistent: {
    type: "boolean",
    default: true,
    env: "PERSISTENT",
    description: "Keep the history across restarts; false keeps it in memory only",
  },
  durability: {
    type: "string",
    default: "normal",
    choices: ["normal", "full"],
    env: "DURABILITY",
    description: "normal survives the death of the process, full survives power loss",
  },
  log_level: {
    type: "string",
    default: "INFO",
    choices: ["DEBUG", "INFO", "WARNING", "ERROR"],
    env: "LOG_LEVEL",
    flag: true,
    reloadable: true,
    description: "Least severe messages that are logged",
  },
  log_to_file: {
    type: "boolean",
    default: null,
    computed: "true in the background",
    env: "LOG_TO_FILE",
    description: "Write the log to a file as well",
  },
  log_file_path: {
    type: "path",
    default: null,
    computed: "<state_dir>/<port>/server.log",
    env: "LOG_FILE",
    description: "The log file; naming one implies log_to_file",
  },
  log_format: {
    type: "string",
    default: "text",
    choices: ["text", "json"],
    env: "LOG_FORMAT",
    description: "Form of the log's lines",
  },
  min_client_version: {
    type: "string",
    default: "0.7.0",
    pattern: { expression: "^\\d+(\\.\\d+){0,3}$", means: "a version, such as 0.7.0" },
    env: "MIN_CLIENT_VERSION",
    reloadable: true,
    description: "Oldest claude-mpm that counts as compatible",
  },
  auto_start: {
    type: "boolean",
    default: true,
    env: "AUTO_START",
    description: "Commands that need a server start one when none runs",
  },
  health_check_interval: {
    type: "number",
    default: 30,
    min: 0.1,
    max: 86_400,
    unit: "seconds",
    env: "HEALTH_CHECK_INTERVAL",
    description: "How often the server checks itself",
  },
  max_connection_attempts: {
    type: "integer",
    default: 3,
    min: 1,
    max: 1000,
    env: "MAX_CONNECTION_ATTEMPTS",
    description: "Quick attempts of a client before it pauses for 30 seconds",
  },
  reconnection_delay: {
    type: "number",
    default: 1,
    min: 0.1,
    max: 3600,
    unit: "seconds",
    env: "RECONNECTION_DELAY",
    description: "First pause of a client between two attempts",
  },
  state_dir: {
    type: "path",
    default: null,
    computed: "~/.claude-mpm/socketio",
    env: "STATE_DIR",
    flag: true,
    description: "Directory for what servers keep, a folder per port",
  },
  auth: {
    type: "string",
    default: "auto",
    choices: ["auto", "on", "off"],
    env: "AUTH",
    flag: true,
    description: "Ask for tokens: auto does beyond loopback",
  },
  token: {
    type: "string",
    default: null,
    secret: true,
    reloadable: true,
    env: "TOKEN",
    pattern: { expression: "^[!-~]+$", means: "letters, digits and signs of ASCII, without spaces" },
    description: "Access token: the server takes it for every scope, commands and hooks send it",
  },
  jwt_secret: {
    type: "string",
    default: null,
    secret: true,
    reloadable: true,
    env: "JWT_SECRET",
    description: "Shared secret of HS256 tokens",
  },
  jwt_public_key: {
    type: "path",
    default: null,
    reloadable: true,
    env: "JWT_PUBLIC_KEY",
    description: "PEM file of the public key of RS256 or ES256 tokens",
  },
  jwt_jwks_url: {
    type: "string",
    default: null,
    reloadable: true,
    env: "JWT_JWKS_URL",
    description: "URL (https, http, file) or path of the key set of RS256 or ES256 tokens",
  },
  jwt_issuer: {
    type: "string",
    default: null,
    reloadable: true,
    env: "JWT_ISSUER",
    description: "Issuer tokens have to name",
  },
  jwt_audience: {
    type: "string",
    default: null,
    reloadable: true,
    env: "JWT_AUDIENCE",
    description: "Audience tokens have to name",
  },
  allowed_hosts: {
    type: "list",
    default: [],
    env: "ALLOWED_HOSTS",
    reloadable: true,
    pattern: {
      expression: `^(${IPV4}|${IPV6}|\\[${IPV6}\\]|${HOST_NAME})$`,
      means: "a name or a list of names, such as box.lan, without scheme, port or *",
    },
    description: "Names the Host header may carry besides loopback, the bound address and IP literals",
  },
  trusted_proxies: {
    type: "list",
    default: [],
    computed: "none",
    env: "TRUSTED_PROXIES",
    pattern: {
      expression: `^(${IPV4}(/([12]?[0-9]|3[0-2]))?|(?=[0-9A-Fa-f:.]+(/|$))${IPV6}(/([1-9]?[0-9]|1[01][0-9]|12[0-8]))?)$`,
      means: "addresses of proxies, or networks of them, such as 10.0.0.5 or 10.0.0.0/8",
    },
    description: "Proxies whose X-Forwarded-For says who asks; everybody behind any other counts as one",
  },
  redact: {
    type: "boolean",
    default: true,
    env: "REDACT",
    reloadable: true,
    description: "Mask secrets before an event is stored or sent; false lets events pass as they are",
  },
  redact_patterns: {
    type: "list",
    default: [],
    env: "REDACT_PATTERNS",
    reloadable: true,
    description:
      "Further secrets to mask, as regular expressions; every event is gone through with each of them, which costs time",
  },
  drain_seconds: {
    type: "number",
    default: 0,
    min: 0,
    max: 300,
    unit: "seconds",
    env: "DRAIN_SECONDS",
    reloadable: true,
    description:
      "How long a server that is asked to stop goes on serving while /ready says 503, so that a load balancer sends nobody any more",
  },
  max_connections: {
    type: "integer",
    default: 0,
    min: 0,
    max: MAX_COUNT,
    computed: "0 on loopback, 10000 elsewhere",
    beyondLoopback: 10_000,
    env: "MAX_CONNECTIONS",
    description: "Clients connected at once, over Socket.IO or as readers of the stream; 0 is no limit",
  },
  max_events_per_second: {
    type: "number",
    default: 0,
    min: 0,
    max: MAX_COUNT,
    computed: "0 on loopback, 1000 elsewhere",
    beyondLoopback: 1000,
    env: "MAX_EVENTS_PER_SECOND",
    description: "Events per second of one client (a connection, token or address); 0 is no limit",
  },
  max_handshakes_per_second: {
    type: "number",
    default: 0,
    min: 0,
    max: MAX_COUNT,
    computed: "0 on loopback, 200 elsewhere",
    beyondLoopback: 200,
    env: "MAX_HANDSHAKES_PER_SECOND",
    description: "New connections per second; 0 is no limit",
  },
  tls_cert: {
    type: "path",
    default: null,
    flag: true,
    reloadable: true,
    env: "TLS_CERT",
    description: "PEM file of the certificate, then its chain; commands trust it",
  },
  tls_key: {
    type: "path",
    default: null,
    flag: true,
    reloadable: true,
    env: "TLS_KEY",
    description: "PEM file of the private key",
  },
  allow_plain_http: {
    type: "boolean",
    default: false,
    env: "ALLOW_PLAIN_HTTP",
    description:
      "Commands and hooks send the token to another machine without TLS too, where its network reads it",
  },
  redis_url: {
    type: "string",
    default: null,
    flag: true,
    secret: true,
    env: "REDIS_URL",
    pattern: {
      expression: `^(rediss?://${USER_INFO}${REDIS_HOST}(:${PORT})?(/${DATABASE}?)?|redis-sentinel://${USER_INFO}${REDIS_HOST}(:${PORT})?(,${REDIS_HOST}(:${PORT})?)*/[A-Za-z0-9._-]+(/${DATABASE})?)$`,
      means:
        "redis:// or rediss:// and [user:password@]host[:port][/db], or redis-sentinel:// and [user:password@]host[:port],host[:port]/master[/db], with @ / ? and # in a password percent-encoded",
    },
    description:
      "Redis that holds the history, and makes all servers that name it one; rediss:// is over TLS",
  },
} as const satisfies Record<string, Field>;

export type Key = keyof typeof SCHEMA;
export const KEYS = Object.keys(SCHEMA) as Key[];
export const ENV_PREFIX = "CLAUDE_MPM_SOCKETIO_";

type ValueOf<F> = F extends { type: "integer" | "number" }
  ? number
  : F extends { type: "boolean"; default: boolean }
    ? boolean
    : F extends { type: "boolean" }
      ? boolean | null
      : F extends { type: "list" }
        ? string[]
        : F extends { choices: readonly (infer C)[]; default: string }
          ? C
          : F extends { default: string }
            ? string
            : string | null;

/** Effective values. Null stands where a default is computed only when it is needed. */
export type Config = { -readonly [K in Exclude<Key, "state_dir">]: ValueOf<(typeof SCHEMA)[K]> } & {
  /** The schema cannot know the home directory, but once loaded there always is one. */
  state_dir: string;
};

export function fieldOf(key: Key): Field {
  return SCHEMA[key];
}

export function isKey(name: string): name is Key {
  return Object.hasOwn(SCHEMA, name);
}

/** The key's own flag on the server commands: `log_level` is `--log-level`. */
export function flagOf(key: Key): string {
  return `--${key.replaceAll("_", "-")}`;
}
