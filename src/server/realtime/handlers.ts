/** What a connected client can ask, one entry per event. */
import type { DefaultEventsMap, Socket } from "socket.io";
import type { Subscription } from "../../hub/subscriber.ts";
import type { Grant } from "../../auth/access.ts";
import type { Bucket } from "../../auth/rate-limit.ts";
import { allows } from "../../auth/scopes.ts";
import { CodedError, toCodedError } from "../../protocol/errors.ts";
import type { JsonObject } from "../../protocol/event.ts";
import { parseExactJson } from "../../protocol/json.ts";
import type { ClientEvent, EventAck, EventHistory, Pong } from "../../protocol/messages.ts";
import { parseHistoryQuery, parseSubscription } from "../../protocol/query.ts";
import type { Logger } from "../../logging.ts";
import { isoTime, type ServerContext, serverStatus, versionInfo } from "../context.ts";
import { bufferedBy, connectionOf, drop } from "./connection.ts";

/** A connection of a client; `data` is what this server keeps with it. */
export type ClientSocket = Socket<
  DefaultEventsMap,
  DefaultEventsMap,
  DefaultEventsMap,
  {
    /** Milliseconds since the epoch. */
    connectedAt: number;
    subscription: Subscription;
    /** What it may do; not there where no tokens are asked for. */
    grant?: Grant;
    /** Ends the watch over the grant. */
    unwatch?: () => void;
    /** What it may still send, where that is limited. */
    bucket?: Bucket;
    /** Settles when its last question about the history is answered. */
    history?: Promise<void>;
  }
>;

/** What a client may leave unread: a WebSocket's limit is Bun's, and polling has none of its own. */
const MAX_UNREAD = 16 * 1024 * 1024;

const MAX_LOGGED_CHARS = 100;

interface Request {
  /** The event that carries the answer besides the acknowledgement. */
  answer?: string;
  handle(payload: unknown, socket: ClientSocket): unknown;
}

/**
 * Makes the listener for whatever clients send, to be registered with `socket.onAny`. All sockets share it and are
 * its `this`: a function for each event and socket came to 4 KB of memory for every idle connection.
 */
export function createRequestListener(
  context: ServerContext,
  logger: Logger,
): (this: ClientSocket, name: string, ...args: unknown[]) => Promise<void> {
  const { hub, serverId, limits, refusals } = context;

  const requests: Record<ClientEvent, Request> = {
    claude_event: {
      async handle(payload, socket): Promise<EventAck> {
        if (!context.isReady()) throw new CodedError("not_ready");
        const { grant } = socket.data;
        if (grant && !allows(grant.scopes, "publish")) {
          throw new CodedError("scope_missing", 'The token does not have the scope "publish"');
        }
        const { seq, id } = await hub.publish(payload, socket.id, "socketio");
        return { ok: true, seq, id };
      },
    },
    ping: {
      answer: "pong",
      handle: (): Pong => ({ timestamp: isoTime(Date.now()), server_id: serverId }),
    },
    get_version: { answer: "version_info", handle: () => versionInfo(context) },
    get_status: { answer: "server_status", handle: () => serverStatus(context) },
    get_history: {
      answer: "event_history",
      handle: (payload, { data }) => inTurn(data, () => readHistory(payload)),
    },
    subscribe: {
      handle(payload, { data }) {
        data.subscription.setFilter(parseSubscription(payload));
        return { ok: true };
      },
    },
    unsubscribe: {
      handle(_payload, { data }) {
        data.subscription.setFilter(null);
        return { ok: true };
      },
    },
  };

  async function readHistory(payload: unknown): Promise<EventHistory> {
    const { events, ...page } = await hub.history(parseHistoryQuery(payload));
    return {
      events: events.map(({ json }) => parseExactJson(json) as JsonObject),
      returned: events.length,
      count: events.length,
      ...page,
    };
  }

  return async function (name, ...args) {
    // Sent in the same breath as a "disconnect", after it.
    if (!this.connected) return;
    const acknowledge = takeCallback(args);
    try {
      if (!Object.hasOwn(requests, name)) {
        // An unknown event is no harm, but whoever waits for its acknowledgement must not wait for ever.
        if (!acknowledge) return;
        throw new CodedError(
          "unknown_event",
          `The server does not know the event "${String(name).slice(0, 100)}"`,
        );
      }
      // The parser hands on what it could not read as the error it is.
      if (args[0] instanceof CodedError) throw args[0];
      limits.message(this.data);
      const { answer, handle } = requests[name as ClientEvent];
      const result = await handle(args[0], this);
      if (bufferedBy(connectionOf(this)) > MAX_UNREAD) {
        logger.warn("client dropped, which asks and does not read", { sid: this.id });
        return drop(connectionOf(this));
      }
      if (answer) this.emit(answer, result);
      acknowledge?.(result);
    } catch (error) {
      refuse(this, error, acknowledge, name);
    }
  };

  function refuse(socket: ClientSocket, error: unknown, acknowledge: Acknowledge | null, name: string): void {
    const coded = toCodedError(error);
    hub.countError();
    refusals.note(coded, { event: String(name).slice(0, MAX_LOGGED_CHARS), sid: socket.id });
    if (coded.code === "internal") logger.error("event failed", { sid: socket.id, error: String(error) });
    if (acknowledge) acknowledge({ ok: false, error: coded.toBody() });
    else socket.emit("event_error", coded.toBody());
  }
}

/** One answer of megabytes at a time for each client, and others in between. */
async function inTurn<T>(data: ClientSocket["data"], answer: () => Promise<T>): Promise<T> {
  const before = data.history;
  const { promise, resolve } = Promise.withResolvers<void>();
  data.history = promise;
  try {
    if (before) {
      await before;
      await new Promise((next) => setImmediate(next));
    }
    return await answer();
  } finally {
    resolve();
  }
}

type Acknowledge = (answer: unknown) => void;

/** Takes the acknowledgement callback off the end of a handler's arguments. */
function takeCallback(args: unknown[]): Acknowledge | null {
  return typeof args.at(-1) === "function" ? (args.pop() as Acknowledge) : null;
}
