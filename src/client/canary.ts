/** Sends one event in and waits for it to come back over a socket. */
import { io } from "socket.io-client";
import { isObject, type JsonObject } from "../protocol/event.ts";
import { ask, type Endpoint } from "./http.ts";
import { agentFor } from "./trust.ts";

export interface CanaryTimes {
  /** Milliseconds until the socket was connected and acknowledged. */
  connect: number;
  /** Milliseconds until the event was stored and its sender had the answer. */
  stored: number;
  /** Milliseconds from sending the event until the socket had it. */
  delivered: number;
}

const CANARY_TYPE = "doctor.canary";
/** A hook that Claude Code does not have. */
export const CANARY_HOOK = "DoctorCanary";

/** Sends an event that holds this text as its `id`, or as `canary` in its `data`; resolves once it is stored. */
export type CanarySender = (canary: string) => Promise<void>;

/**
 * Rejects with what did not work; never takes longer than the limit for each of its two steps.
 *
 * @param send how the event gets to the server; over HTTP when not given
 */
export async function sendCanary(
  server: Endpoint,
  send: CanarySender = (canary) => postCanary(server, canary),
  limitMs = 5000,
): Promise<CanaryTimes> {
  const canary = crypto.randomUUID();
  const start = performance.now();
  const socket = io(server.url, {
    ...({ agent: agentFor(server) } as object),
    transports: ["websocket"],
    reconnection: false,
    timeout: limitMs,
    auth: { token: server.token, subscribe: { types: [CANARY_TYPE, "hook.doctor_canary"] } },
  });
  try {
    await within(limitMs, "the socket was not acknowledged", (resolve, reject) => {
      socket.once("connection_ack", resolve);
      socket.once("connect_error", (error) => reject(new Error(`the socket was refused: ${error.message}`)));
    });
    const connected = performance.now();
    const delivered = within(limitMs, "the event did not come back over the socket", (resolve) => {
      socket.on("claude_event", ({ id, data }: JsonObject) => {
        if (id === canary || (isObject(data) && data.canary === canary)) resolve();
      });
    }).then(() => performance.now());
    delivered.catch(() => {});
    await send(canary);
    const stored = performance.now();
    return {
      connect: connected - start,
      stored: stored - connected,
      delivered: (await delivered) - connected,
    };
  } finally {
    socket.disconnect();
  }
}

async function postCanary(server: Endpoint, id: string): Promise<void> {
  const body = JSON.stringify({ type: CANARY_TYPE, id, timestamp: new Date().toISOString() });
  const { status, text } = await ask(server, "/api/events", { method: "POST", body, timeoutMs: 5000 });
  if (status !== 200) throw new Error(`the event was refused: HTTP ${status} ${text.slice(0, 200)}`);
}

function within(
  limitMs: number,
  complaint: string,
  executor: (resolve: () => void, reject: (error: Error) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${complaint} within ${limitMs} ms`)), limitMs);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    executor(
      () => settle(resolve),
      (error) => settle(() => reject(error)),
    );
  });
}
