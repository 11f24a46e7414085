/** One Socket.IO connection to one server, from its greeting to its loss. It is never mended: a new one is made. */
import { io } from "socket.io-client";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { type ConnectionAck, type EventAck, type HistoryGap, isHistoryGap } from "../protocol/messages.ts";

export interface ConnectionHandlers {
  /** The server's greeting: comes once, before anything else. What is in it is the server's affair, maybe nothing. */
  onGreeting(ack: Partial<ConnectionAck>): void;
  /** The log goes on under another epoch's name; whatever has come so far is good in that one too. */
  onEpoch(ack: Partial<ConnectionAck>): void;
  onEvent(event: JsonObject): void;
  onGap(gap: HistoryGap): void;
  /**
   * It could not be made, or is lost; comes once, unless it was closed here.
   *
   * @param refusal what the server said of why it does not let this client in, if it said so
   */
  onLost(reason: string, refusal: Refusal | null): void;
}

/** Why a server does not let a client in, or take what it sends; `code` is of the server's table of errors. */
export interface Refusal {
  code: string;
  message: string;
  hint: string;
}

export interface Connection {
  /** The answer is undefined where a server of claude-mpm's own acknowledges. */
  send(event: JsonObject, onAnswer: (answer: EventAck | undefined) => void): void;
  /** Bytes of the largest message the server takes. */
  maxMessageBytes(): number;
  close(): void;
}

/** With these a server ends a connection that it had let in; others are about one message. */
const ENDINGS = new Set(["token_invalid", "dismissed"]);

/** Connects. Handlers are called in the order in which the server speaks. */
export function openConnection(
  url: string,
  { auth, agent, timeoutMs }: { auth: JsonObject; agent?: object | undefined; timeoutMs: number },
  handlers: ConnectionHandlers,
): Connection {
  const socket = io(url, {
    auth,
    // Browsers have none; its types know that of a browser alone.
    ...(agent === undefined ? {} : ({ agent } as object)),
    forceNew: true,
    reconnection: false,
    timeout: timeoutMs,
    // What a WebSocket cannot get through to, polling may.
    transports: ["websocket", "polling"],
    tryAllTransports: true,
  });
  let ended = false;
  /** What it says before it ends the connection itself. */
  let ending: Refusal | null = null;
  let maxMessageBytes = Infinity;
  const end = () => {
    ended = true;
    clearTimeout(timer);
    socket.removeAllListeners();
    socket.disconnect();
  };
  const lose = (reason: string, refusal: Refusal | null = ending) => {
    if (ended) return;
    end();
    handlers.onLost(reason, refusal);
  };
  // Connected is not greeted: another program's Socket.IO server may be there by now.
  const timer = setTimeout(() => lose(`no greeting within ${timeoutMs} ms`), timeoutMs);

  socket.io.engine.on("handshake", ({ maxPayload }: { maxPayload?: unknown }) => {
    if (typeof maxPayload === "number") maxMessageBytes = maxPayload;
  });
  // Socket.IO hands on what the server's middleware has put into `data`.
  socket.on("connect_error", (error: Error & { data?: unknown }) => {
    lose(error.message, isObject(error.data) ? refusalOf(error.data.error) : null);
  });
  socket.on("event_error", (error: unknown) => {
    const refusal = refusalOf(error);
    if (refusal !== null && ENDINGS.has(refusal.code)) ending = refusal;
  });
  socket.on("disconnect", (reason) => lose(reason));
  let greeted = false;
  socket.on("connection_ack", (ack: unknown) => {
    clearTimeout(timer);
    const given = isObject(ack) ? ack : {};
    if (greeted) return handlers.onEpoch(given);
    greeted = true;
    handlers.onGreeting(given);
  });
  socket.on("claude_event", (event: unknown) => {
    if (isObject(event)) handlers.onEvent(event);
  });
  socket.on("history_gap", (gap: unknown) => {
    if (isHistoryGap(gap)) handlers.onGap(gap);
  });

  return {
    send(event, onAnswer) {
      socket.emit("claude_event", event, (answer?: EventAck) => {
        if (!ended) onAnswer(answer);
      });
    },
    maxMessageBytes: () => maxMessageBytes,
    close: end,
  };
}

function refusalOf(error: unknown): Refusal | null {
  if (!isObject(error)) return null;
  const { code, message, hint } = error;
  const isWhole = [code, message, hint].every((text) => typeof text === "string");
  return isWhole ? ({ code, message, hint } as Refusal) : null;
}
