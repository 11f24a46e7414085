/**
 * Every failure a client can meet, in one table: HTTP status, what failed, what to do next.
 * Handlers throw a `CodedError`; each surface has one place that turns it into its own form.
 */
export const ERRORS = {
  invalid_json: [
    400,
    "The body is not valid JSON",
    "Send one JSON object, an array of them, or one JSON object per line",
  ],
  invalid_event: [
    400,
    "The event is malformed",
    "An event is a JSON object; `type` and `id`, when given, are strings",
  ],
  invalid_events: [
    400,
    "The batch holds malformed events; none was stored",
    "Mend the items listed in `items` and send the batch again",
  ],
  invalid_hook: [400, "A hook's payload is a JSON object", "Send what Claude Code gives its hooks, as it is"],
  binary_event: [
    400,
    "Binary attachments cannot be stored",
    "Send bytes as a base64 string inside the event",
  ],
  unknown_event: [
    400,
    "The server does not know this event",
    "It takes claude_event, ping, get_version, get_history, get_status, subscribe and unsubscribe",
  ],
  batch_too_large: [
    400,
    "The batch holds too many events",
    "Send at most 1000 events in one array, or 10000 lines in one body",
  ],
  invalid_query: [400, "A parameter is not understood", "See the message for what is allowed"],
  client_version_missing: [400, "`client_version` is missing", 'Send {"client_version": "0.7.0"}'],
  token_missing: [
    401,
    "A token is needed",
    "Send `Authorization: Bearer TOKEN`; on the server's machine `claude-mpm-socketio token create` makes one",
  ],
  token_invalid: [401, "The token is not known here", "Make another: claude-mpm-socketio token create"],
  scope_missing: [
    403,
    "The token does not allow this",
    "Use one with the scope that is named: claude-mpm-socketio token create --scope SCOPE",
  ],
  too_many_failures: [
    429,
    "Too many wrong tokens came from this address",
    "Wait as long as `Retry-After` says, and mend the token",
  ],
  rate_limited: [
    429,
    "More events a second than one client may send",
    "Keep them, and send them again more slowly; `max_events_per_second` is the limit",
  ],
  too_many_handshakes: [
    429,
    "More connections a second are asked for than are taken",
    "Try again in a moment; `max_handshakes_per_second` is the limit",
  ],
  too_many_connections: [
    503,
    "As many clients are connected as may be",
    "Try again when others have left, or raise `max_connections`",
  ],
  url_too_long: [
    414,
    "The URL is too long",
    "Ask for less at a time, or send it in a body where there is one",
  ],
  origin_refused: [403, "This page may not talk to the server", "Add its origin to `cors_allowed_origins`"],
  host_refused: [
    403,
    "The Host header names another host",
    "Use localhost or the bound address, or add the name to `allowed_hosts`",
  ],
  session_not_found: [
    404,
    "No event of such a session is held",
    "GET /api/sessions lists those that are; an id is given in full",
  ],
  client_not_found: [404, "No such client is connected", "GET /api/clients lists those that are"],
  dismissed: [403, "The server's owner has ended this connection", "Ask them; the client may connect again"],
  login_not_needed: [409, "This server asks nobody for a token", "Open the dashboard as it is: GET /"],
  not_here: [
    409,
    "This server is a part of another program",
    "End that program, or stop the server through it",
  ],
  invalid_history: [
    400,
    "This is no history that can be imported",
    "Send what `GET /api/history/export` gives, unchanged and whole",
  ],
  history_refused: [
    409,
    "The history does not continue what this server holds",
    "Import it into a server that has stored nothing yet: another --state-dir, or an empty Redis database",
  ],
  session_not_cleared: [
    400,
    "One session alone cannot be forgotten: seqs are dense, so that nobody can miss an event unnoticed, and it would leave holes in them",
    "Forget all that came before a time or a seq",
  ],
  not_found: [404, "There is nothing here", "GET / lists what is"],
  method_not_allowed: [405, "The method does not fit this route", "See the `Allow` header"],
  event_too_large: [
    413,
    "The event is larger than `max_http_buffer_size`",
    "Shorten it, or raise `max_http_buffer_size`",
  ],
  encoding_unsupported: [415, "Compressed bodies are not taken", "Send the body without a Content-Encoding"],
  body_too_large: [413, "The body is too large", "Send it in smaller parts"],
  internal: [
    500,
    "The server failed",
    "See the server's log: `claude-mpm-socketio logs`; a `request_id` given here stands in it",
  ],
  unhealthy: [503, "The server is not healthy", "See `checks` for what is wrong"],
  not_ready: [503, "The server is starting or stopping", "Try again in a moment"],
  overloaded: [503, "More events are waiting to be stored than the server holds", "Send again in a moment"],

  log_unavailable: [
    503,
    "The log cannot be written; nothing was stored",
    "Keep the event and send it again; see /health for what is wrong",
  ],

  // Engine.IO's own refusals; the protocol fixes their numeric codes, see realtime/engine.ts.
  transport_unknown: [400, "Transport unknown", "Use `transport=polling` or `transport=websocket`"],
  session_unknown: [
    400,
    "Session ID unknown",
    "Connect again; the session has ended or belongs to an earlier server",
  ],
  bad_handshake_method: [400, "Bad handshake method", "Open a session with GET"],
  bad_request: [400, "Bad request", "Follow Engine.IO protocol revision 4"],
  protocol_unsupported: [
    400,
    "Unsupported protocol version",
    "Use a client that speaks Engine.IO 4 (`EIO=4`): Socket.IO 3 or later",
  ],
} as const satisfies Record<string, readonly [status: number, message: string, hint: string]>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * Whether what was refused with this HTTP status is refused for good, as it is wrong itself. Everything else is about
 * the server, or who asks, at this moment: sent again, the same may be taken.
 */
export function isForGood(status: number): boolean {
  return status === 400 || status === 413 || status === 422;
}

/**
 * The same for the code of an acknowledgement, which has no status. One that is not in the table, of another server, is
 * for good: what is never taken would for ever hold up all that waits behind it.
 */
export function isCodeForGood(code: string): boolean {
  return !Object.hasOwn(ERRORS, code) || isForGood(ERRORS[code as ErrorCode][0]);
}

/** What stands under `error` in an HTTP body, an acknowledgement or `event_error`. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  hint: string;
  /** Of failures of the server over HTTP: as the `X-Request-Id` of the answer. */
  request_id?: string;
  items?: { index: number; code: ErrorCode; message: string }[];
}

export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly items: ErrorBody["items"];
  /** Seconds after which it may be tried again, where that is known. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    message?: string,
    { items, retryAfter }: { items?: ErrorBody["items"]; retryAfter?: number } = {},
  ) {
    super(message ?? ERRORS[code][1]);
    this.name = "CodedError";
    this.code = code;
    this.items = items;
    this.retryAfter = retryAfter;
  }

  get status(): number {
    return ERRORS[this.code][0];
  }

  toBody(): ErrorBody {
    const body: ErrorBody = { code: this.code, message: this.message, hint: ERRORS[this.code][2] };
    return this.items ? { ...body, items: this.items } : body;
  }
}

/** Wraps what nobody expected, so that no stack trace leaves the process. */
export function toCodedError(error: unknown): CodedError {
  return error instanceof CodedError ? error : new CodedError("internal");
}
