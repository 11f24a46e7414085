/** What a connected client can ask, one entry per event. */
import type { Socket } from "socket.io";
import type { Subscription } from "../../hub/delivery.ts";
import { CodedError, toCodedError } from "../../protocol/errors.ts";
import type { JsonObject } from "../../protocol/event.ts";
import { parseExactJson } from "../../protocol/json.ts";
import type { ClientEvent, EventAck, EventHistory, Pong } from "../../protocol/messages.ts";
import { parseHistoryQuery, parseSubscription } from "../../protocol/query.ts";
import type { Logger } from "../../logging.ts";
import { isoTime, type ServerContext, serverStatus, versionInfo } from "../context.ts";

interface Request {
  /** The event that carries the answer besides the acknowledgement. */
  answer?: string;
  handle(payload: unknown): unknown;
}

export function registerHandlers(
  socket: Socket,
  subscription: Subscription,
  context: ServerContext,
  logger: Logger,
): void {
  const { hub, serverId } = context;

  const requests: Record<ClientEvent, Request> = {
    claude_event: {
      async handle(payload): Promise<EventAck> {
        if (!context.isReady()) throw new CodedError("not_ready");
        const { seq, id } = await hub.publish(payload, socket.id);
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
      async handle(payload): Promise<EventHistory> {
        const { events, ...page } = await hub.history(parseHistoryQuery(payload));
        return {
          events: events.map(({ json }) => parseExactJson(json) as JsonObject),
          returned: events.length,
          count: events.length,
          ...page,
        };
      },
    },
    subscribe: {
      handle(payload) {
        subscription.setFilter(parseSubscription(payload));
        return { ok: true };
      },
    },
    unsubscribe: {
      handle() {
        subscription.setFilter(null);
        return { ok: true };
      },
    },
  };

  for (const [name, { answer, handle }] of Object.entries(requests)) {
    socket.on(name, async (...args: unknown[]) => {
      const acknowledge = takeCallback(args);
      try {
        // The parser hands on what it could not read as the error it is.
        if (args[0] instanceof CodedError) throw args[0];
        const result = await handle(args[0]);
        if (answer) socket.emit(answer, result);
        acknowledge?.(result);
      } catch (error) {
        refuse(error, acknowledge, name);
      }
    });
  }

  // An unknown event is no harm, but whoever waits for its acknowledgement must not wait for ever.
  socket.onAny((name: string, ...args: unknown[]) => {
    if (Object.hasOwn(requests, name)) return;
    const acknowledge = takeCallback(args);
    if (acknowledge)
      refuse(
        new CodedError("unknown_event", `The server does not know the event "${name.slice(0, 100)}"`),
        acknowledge,
        name,
      );
  });

  function refuse(error: unknown, acknowledge: Acknowledge | null, name: string): void {
    const coded = toCodedError(error);
    hub.countError();
    const level = coded.code === "internal" ? "error" : "debug";
    logger[level]("event refused", { sid: socket.id, event: name, code: coded.code, error: String(error) });
    if (acknowledge) acknowledge({ ok: false, error: coded.toBody() });
    else socket.emit("event_error", coded.toBody());
  }
}

type Acknowledge = (answer: unknown) => void;

/** Takes the acknowledgement callback off the end of a handler's arguments. */
function takeCallback(args: unknown[]): Acknowledge | null {
  return typeof args.at(-1) === "function" ? (args.pop() as Acknowledge) : null;
}
