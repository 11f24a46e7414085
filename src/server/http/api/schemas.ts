/** JSON Schemas (2020-12) of what crosses the wire. A field that is missing here does not pass the type check. */
import { type Scope, SCOPES } from "../../../auth/scopes.ts";
import { type Compatibility, type MatrixRow } from "../../../protocol/compatibility.ts";
import { type ErrorBody, ERRORS } from "../../../protocol/errors.ts";
import { MAX_ID_LENGTH, MAX_TYPE_LENGTH } from "../../../protocol/event.ts";
import {
  type AccessReport,
  type ClearResult,
  type ClientFilter,
  type ClientList,
  type ClusterNode,
  type ConnectedClient,
  type Health,
  type HealthCheck,
  type HistoryGap,
  type ImportResult,
  type IngestResult,
  type LogPosition,
  type Session,
  SESSION_STATES,
  type SessionAgent,
  type SessionFile,
  type SessionOpenTool,
  type SessionTool,
  type SessionWait,
  type Stats,
  type VersionInfo,
} from "../../../protocol/messages.ts";

export interface Schema {
  readonly [keyword: string]: unknown;
}

type Fields<Type> = Record<keyof Type, Schema>;

/** An object with these fields, all of them but the optional ones. */
function object<Type>(fields: Fields<Type>, description?: string, optional: (keyof Type)[] = []): Schema {
  return {
    type: "object",
    ...(description === undefined ? {} : { description }),
    properties: fields,
    required: Object.keys(fields).filter((name) => !optional.includes(name as keyof Type)),
  };
}

const text = (description?: string): Schema => ({ type: "string", ...(description ? { description } : {}) });
const count = (description?: string): Schema => ({
  type: "integer",
  minimum: 0,
  ...(description ? { description } : {}),
});
const number = (description?: string): Schema => ({
  type: "number",
  minimum: 0,
  ...(description ? { description } : {}),
});
const flag = (description?: string): Schema => ({ type: "boolean", ...(description ? { description } : {}) });
const time = (description?: string): Schema => ({
  type: "string",
  format: "date-time",
  ...(description ? { description } : {}),
});
const list = (items: Schema, description?: string): Schema => ({
  type: "array",
  items,
  ...(description ? { description } : {}),
});
const mapOf = (values: Schema, description?: string): Schema => ({
  type: "object",
  additionalProperties: values,
  ...(description ? { description } : {}),
});
const oneOf = (values: readonly string[], description?: string): Schema => ({
  enum: values,
  ...(description ? { description } : {}),
});
const orNull = ({ type, ...rest }: Schema): Schema => ({ type: [type, "null"], ...rest });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const refOrNull = (name: string): Schema => ({ anyOf: [ref(name), { type: "null" }] });

const STATUSES = ["healthy", "degraded", "unhealthy"];

const PARTIAL =
  "Of servers that share a log: one has not answered, or Redis is away and nobody knows which others there are";

/** Where the log stands. */
const POSITION: Fields<LogPosition> = {
  epoch: text("Names the log: positions of two epochs cannot be compared"),
  first_seq: count("The oldest event held; `last_seq` + 1 while there is none"),
  last_seq: count("The newest"),
};

const EVENT_FIELDS = {
  type: {
    type: ["string", "null"],
    maxLength: MAX_TYPE_LENGTH,
    description: "What kind of event it is, as `hook.pre_tool_use`; dots make groups",
  },
  session_id: { description: "The session it belongs to" },
  cwd: { description: "The directory that session works in: its project" },
  timestamp: { description: "When it happened, as its sender says" },
  data: { description: "Whatever the sender has to say" },
};
const EVENT_ID = {
  type: ["string", "null"],
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description:
    "Sent again with the same id it is stored and sent on once; made by the server where it is missing",
};

const HEALTH: Fields<Health> = {
  status: oneOf(STATUSES, "The worst of all checks"),
  server_version: text("The version of this interface"),
  server_id: text("Kept across restarts"),
  pid: count(),
  uptime_seconds: number(),
  start_time: time(),
  timestamp: time("The server's clock"),
  clients_connected: count("Over Socket.IO"),
  client_versions: mapOf(text(), "By the client's session id"),
  health_stats: object<Health["health_stats"]>({
    events_processed: count("New events since the start"),
    clients_served: count("Connections over Socket.IO since the start"),
    errors: count("Since the start"),
    last_activity: orNull(time("When the last event came")),
  }),
  port: count(),
  host: text(),
  dependencies: object<Health["dependencies"]>({ socketio_version: text(), bun_version: text() }),
  checks: list(ref("HealthCheck")),
};

export const SCHEMAS = {
  Error: object<{ error: ErrorBody }>({
    error: object<ErrorBody>(
      {
        code: oneOf(Object.keys(ERRORS), "For programs"),
        message: text("What failed"),
        hint: text("What to do next"),
        request_id: text("Of failures of the server: stands in its log, and in `X-Request-Id`"),
        items: list(
          object<NonNullable<ErrorBody["items"]>[number]>({
            index: count("Its place in the batch, from 0"),
            code: oneOf(Object.keys(ERRORS)),
            message: text(),
          }),
          "Of a batch: the events that are malformed",
        ),
      },
      undefined,
      ["request_id", "items"],
    ),
  }),

  NewEvent: {
    type: "object",
    description: "Any JSON object. All of its fields reach everyone unchanged, but for the secrets in them.",
    properties: { ...EVENT_FIELDS, id: EVENT_ID },
  },
  Envelope: {
    type: "object",
    description:
      "As claude-mpm's hook handlers send it: `data` is the event. What names its session is lifted to its top from up to three levels of `data`; without a `type`, `event` serves.",
    properties: { namespace: text(), event: text(), data: { type: "object" } },
    required: ["event", "data"],
  },
  Event: {
    type: "object",
    description: "An event as it is stored, with all fields of its sender.",
    properties: {
      ...EVENT_FIELDS,
      id: text("The sender's, or made by the server"),
      seq: {
        type: "integer",
        minimum: 1,
        description: "Its place in the log: dense, and never given twice in an epoch",
      },
      server_id: text("The server that took it"),
      received_at: time("When it took it"),
    },
    required: ["id", "seq", "server_id", "received_at"],
  },
  IngestResult: object<IngestResult>({
    accepted: count("New events that are stored now"),
    duplicates: count("Events whose `id` was in the log"),
    first_seq: orNull(count("The lowest of them; null when there are none")),
    last_seq: orNull(count()),
  }),
  EventPage: object<
    LogPosition & { events: unknown; total_available: unknown; returned: unknown; next: unknown }
  >({
    events: list(ref("Event"), "Oldest first"),
    ...POSITION,
    total_available: count("How many match, whatever the page"),
    returned: count(),
    next: orNull(count("Give it as `after` for the following page; null after the last")),
  }),
  HistoryGap: object<HistoryGap>({
    from_seq: count("The first event that was missed"),
    to_seq: count("The last one"),
    reason: oneOf(["trimmed", "unknown_epoch", "beyond_end"]),
  }),

  SessionList: object<{ sessions: unknown }>({ sessions: list(ref("Session"), "Newest activity first") }),
  Session: object<Session>({
    session_id: text(),
    project: orNull(text("The directory it was started in")),
    source: orNull(text()),
    state: oneOf(
      SESSION_STATES,
      "An agent is at it; a person is asked; stopped, with nothing running; over; given up",
    ),
    state_since: time(),
    waiting_for: refOrNull("SessionWait"),
    ended_reason: orNull(text("`silence` after an hour without an event")),
    failure: orNull(text()),
    started_at: time(),
    last_event_at: time(),
    event_count: count(),
    prompt: orNull(text("The human's last")),
    agents: list(ref("SessionAgent")),
    open_tools: list(ref("SessionOpenTool")),
    tools: list(ref("SessionTool")),
    files: list(ref("SessionFile")),
  }),
  SessionWait: object<SessionWait>({
    kind: oneOf(["permission", "input"]),
    tool: orNull(text()),
    message: orNull(text()),
  }),
  SessionAgent: object<SessionAgent>({
    agent_id: orNull(text("Null is the main one")),
    agent_type: orNull(text()),
    state: oneOf(SESSION_STATES),
    parent_tool_use_id: orNull(text("The call that started it")),
    parent_agent_id: orNull(text("The agent that made this call; null is the main one, or not known")),
    started_at: orNull(time()),
    ended_at: orNull(time()),
  }),
  SessionOpenTool: object<SessionOpenTool>({
    tool_use_id: text(),
    tool: text(),
    agent_id: orNull(text()),
    started_at: time(),
    argument: text("What it is called on, in a few words"),
  }),
  SessionTool: object<SessionTool>({
    tool: text(),
    calls: count(),
    failures: count(),
    denied: count(),
    unfinished: count("Never heard of again: no success"),
    total_ms: number(),
    p95_ms: orNull(number("Of the latest calls; null before the first that was timed")),
  }),
  SessionFile: object<SessionFile>({ path: text(), reads: count(), edits: count() }),

  ClientList: object<ClientList>(
    {
      clients: list(ref("ConnectedClient"), "Who lags most comes first, then who has been there longest"),
      total: count(),
      silent: list(
        object<NonNullable<ClientList["silent"]>[number]>({ server_id: text(), url: text() }),
        "Of servers that share a log: those that have not answered, and whose clients are missing",
      ),
      partial: flag(PARTIAL),
    },
    undefined,
    ["silent", "partial"],
  ),
  ConnectedClient: object<ConnectedClient>(
    {
      sid: text("Its Socket.IO session id; the reader of a stream gets one as well"),
      client_id: orNull(text("As the handshake gave it")),
      version: text("The claude-mpm version it named, or `unknown`"),
      compatible: flag(),
      warnings: list(text(), "Why it is not compatible"),
      transport: oneOf(["websocket", "polling", "stream"]),
      connected_at: time(),
      lag_events: count("How far behind the live feed it is; 0 while it is live"),
      buffered_bytes: count("Given to its connection and not taken yet"),
      filter: refOrNull("ClientFilter"),
      server_id: text("Of servers that share a log: the one it is connected to"),
    },
    undefined,
    ["server_id"],
  ),
  ClientFilter: object<ClientFilter>(
    {
      session_id: text(),
      project: text(),
      types: list(text()),
      since: time(),
      until: time(),
      q: text(),
    },
    "What it asked to receive.",
    ["session_id", "project", "types", "since", "until", "q"],
  ),
  AccessReport: object<AccessReport>({
    auth: flag("Whether tokens are asked for at all"),
    name: text("What the token is called"),
    scopes: list(oneOf(SCOPES)),
    expires_at: orNull(time("Null is never")),
  }),
  Disconnected: object<{ disconnected: string }>({ disconnected: text("The client's session id") }),

  Health: object<Health>(HEALTH),
  HealthStatus: object<Pick<Health, "status">>(
    { status: HEALTH.status },
    "What is told without a token where tokens are asked for.",
  ),
  UnhealthyReport: {
    description: "The same report, with an error beside it.",
    allOf: [{ anyOf: [ref("Health"), ref("HealthStatus")] }, ref("Error")],
  },
  HealthCheck: object<HealthCheck>({ name: text(), status: oneOf(STATUSES), message: text("In words") }),
  Ready: object<{ ready: true }>({ ready: { const: true } }),
  LoginCode: object<{ code: string; expires_at: string }>({
    code: text("For `POST /api/login`"),
    expires_at: time(),
  }),
  Login: object<{ token: string; scopes: Scope[]; expires_at: string }>({
    token: text(),
    scopes: list(oneOf(SCOPES)),
    expires_at: time(),
  }),
  ImportResult: object<ImportResult>({
    ...POSITION,
    stored: count("Events of the part that were not there yet"),
    max_history_size: count("Events the log keeps at most"),
  }),
  ClearResult: object<ClearResult>({ ...POSITION, forgotten: count("How many events there were") }),
  Stopping: object<{ stopping: true; pid: number }>({ stopping: { const: true }, pid: count() }),
  VersionInfo: object<VersionInfo>({
    server_version: text("The version of this interface"),
    server_id: text(),
    socketio_version: text(),
    compatibility_matrix: mapOf(ref("MatrixRow"), "By server version"),
    supported_client_versions: list(text()),
    features: list(text()),
  }),
  MatrixRow: object<MatrixRow>({
    claude_mpm_versions: list(text()),
    min_python: text(),
    socketio_min: text(),
    features: list(text()),
  }),
  Compatibility: object<Compatibility>({
    compatible: flag(),
    server_version: text(),
    client_version: text(),
    warnings: list(text(), "Why it is not compatible"),
    supported_features: list(text()),
    requirements: object<Compatibility["requirements"]>({ min_python: text(), socketio_min: text() }),
  }),
  Stats: object<Stats>(
    {
      server_info: object<Stats["server_info"]>({ version: text(), id: text(), uptime: number("Seconds") }),
      connections: object<Stats["connections"]>({
        current_clients: count("Over Socket.IO"),
        total_served: count("Since the start"),
        client_versions: mapOf(text()),
      }),
      events: object<Stats["events"]>({
        total_processed: count("New events since the start"),
        history_size: count("Events the log holds"),
        last_activity: orNull(time()),
      }),
      errors: count("Since the start"),
      log: object<Stats["log"]>({
        ...POSITION,
        bytes: count("With its index"),
        index_backlog: count("Events that filters and search still have to take in"),
      }),
      delivery: object<Stats["delivery"]>({
        lagging_clients: count("Clients that are behind, and fed from the log"),
        catch_ups: count("Times a client was, since the start"),
        dropped: count("Events that clients did not get"),
      }),
      redacted: mapOf(count(), "Secrets masked since the start, by kind"),
      memory: object<Stats["memory"]>({ rss: count("Bytes") }),
      nodes: list(ref("ClusterNode"), "Of servers that share a log: those there are"),
      partial: flag(PARTIAL),
    },
    undefined,
    ["nodes", "partial"],
  ),
  ClusterNode: object<ClusterNode>({
    server_id: text(),
    url: text("Where it takes itself to be"),
    version: text("Its release"),
    uptime: number("Seconds"),
    clients: count("Over Socket.IO"),
    status: oneOf([...STATUSES, "silent"], "`silent`: it was there within 5 seconds, and does not answer"),
  }),
} as const satisfies Record<string, Schema>;

export type SchemaName = keyof typeof SCHEMAS;
