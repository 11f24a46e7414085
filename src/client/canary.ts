/** Sends one event in over HTTP and waits for it to come back over a socket. */
import { io } from "socket.io-client";
import { request } from "./http.ts";

export interface CanaryTimes {
  /** Milliseconds until the socket was connected and acknowledged. */
  connect: number;
  /** Milliseconds until the event was stored and the request answered. */
  stored: number;
  /** Milliseconds from sending the event until the socket had it. */
  delivered: number;
}

export const CANARY_TYPE = "doctor.canary";

/** Rejects with what did not work; never takes longer than the limit for each of its two steps. */
export async function sendCanary(url: string, limitMs = 5000): Promise<CanaryTimes> {
  const id = crypto.randomUUID();
  const start = performance.now();
  const socket = io(url, {
    transports: ["websocket"],
    reconnection: false,
    timeout: limitMs,
    auth: { subscribe: { types: [CANARY_TYPE] } },
  });
  try {
    await within(limitMs, "the socket was not acknowledged", (resolve, reject) => {
      socket.once("connection_ack", resolve);
      socket.once("connect_error", (error) => reject(new Error(`the socket was refused: ${error.message}`)));
    });
    const connected = performance.now();
    const delivered = within(limitMs, "the event did not come back over the socket", (resolve) => {
      socket.on("claude_event", (event: { id?: string }) => {
        if (event.id === id) resolve();
      });
    }).then(() => performance.now());
    delivered.catch(() => {});
    const body = JSON.stringify({ type: CANARY_TYPE, id, timestamp: new Date().toISOString() });
    const answer = await request(`${url}/api/events`, { method: "POST", body, timeoutMs: limitMs });
    if (answer.status !== 200)
      throw new Error(`the event was refused: HTTP ${answer.status} ${answer.text.slice(0, 200)}`);
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
