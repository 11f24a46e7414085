/** Clients that send and follow at a steady pace, whatever the server goes through, and what became of every event. */
import { io, type Socket } from "socket.io-client";
import { onEnd } from "./cleanup.ts";

export interface SteadyLoad {
  /** Stops sending; resolves once every event sent is acknowledged. */
  finish(): Promise<Outcome>;
}

export interface Outcome {
  /** Ids of acknowledged events with the seq each was given. */
  acknowledged: Map<string, number>;
  /** Per client, the seqs it was sent, in order. */
  received: number[][];
  /** Per client, the ids it sent itself. */
  sent: Set<string>[];
  gaps: unknown[];
  /** The longest time between two acknowledgements, whoever got them, in milliseconds. */
  longestPauseMs: number;
}

const ACK_LIMIT_MS = 1000;

/** Stock Socket.IO clients, each of which sends at its share of the rate and resumes where it was when it reconnects. */
export function steadyLoad(url: string, { clients = 10, perSecond = 500 } = {}): SteadyLoad {
  const outcome: Outcome = {
    acknowledged: new Map(),
    received: [],
    sent: [],
    gaps: [],
    longestPauseMs: 0,
  };
  let lastAck = performance.now();
  let sending = true;
  const open = new Set<Promise<void>>();

  const acknowledged = (id: string, seq: number) => {
    const now = performance.now();
    outcome.longestPauseMs = Math.max(outcome.longestPauseMs, now - lastAck);
    lastAck = now;
    outcome.acknowledged.set(id, seq);
  };

  /** Sends until it is acknowledged; the id makes sending again safe. */
  const deliver = async (socket: Socket, event: { id: string }) => {
    for (;;) {
      try {
        const answer = await socket.timeout(ACK_LIMIT_MS).emitWithAck("claude_event", event);
        if (answer.ok) return acknowledged(event.id, answer.seq);
      } catch {
        // No answer: the server is away, or was before it could give one.
      }
    }
  };

  const timers = Array.from({ length: clients }, (_, client) => {
    const received: number[] = [];
    const sent = new Set<string>();
    outcome.received.push(received);
    outcome.sent.push(sent);
    let position: { epoch: string; seq: number } | null = null;
    const socket = io(url, {
      forceNew: true,
      transports: ["websocket"],
      auth: (give) => give(position === null ? {} : { resume: position }),
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    });
    onEnd(() => socket.disconnect());
    socket.on("connection_ack", ({ epoch, last_seq: seq }) => void (position ??= { epoch, seq }));
    socket.on("claude_event", ({ seq }) => {
      received.push(seq);
      if (position !== null) position.seq = seq;
    });
    socket.on("history_gap", (gap) => void outcome.gaps.push(gap));
    let number = 0;
    return setInterval(
      () => {
        if (!sending || position === null) return;
        const id = `${client}-${(number += 1)}`;
        sent.add(id);
        const delivery = deliver(socket, { id, type: "load", client } as { id: string }).finally(() =>
          open.delete(delivery),
        );
        open.add(delivery);
      },
      (1000 * clients) / perSecond,
    );
  });

  return {
    async finish() {
      sending = false;
      for (const timer of timers) clearInterval(timer);
      while (open.size > 0) await Promise.all(open);
      return outcome;
    },
  };
}
