/** Takes what a log tells that others write to as well: there it is the only way in which events come out. */
import type { EventLog } from "../log/log.ts";
import type { Delivery } from "./delivery.ts";

export interface Following {
  delivery: Pick<Delivery, "deliver" | "skipTo" | "beginEpoch" | "deliveredSeq" | "epoch">;
  /** Learns of hooks that another node has taken. */
  sameHook: (id: string) => string;
  /** The log has lost what was delivered, and goes on from before it. */
  onRewound: () => void;
  /** What was taken from the log may not be in it any more. */
  onForgotten: () => void;
  report: (error: unknown) => void;
  warn: (message: string, fields: Record<string, string | number>) => void;
}

/** Does nothing for a log that only this server writes to. */
export function follow(
  log: EventLog,
  { delivery, sameHook, onRewound, onForgotten, report, warn }: Following,
): void {
  /** The log waits for nobody who fails. */
  const guarded =
    <Args extends unknown[]>(act: (...args: Args) => void) =>
    (...args: Args): void => {
      try {
        act(...args);
      } catch (error) {
        report(error);
      }
    };

  log.follow?.({
    onStored: guarded((events, origins) => {
      for (const { id } of events) sameHook(id);
      delivery.deliver(
        events.map((stored) => ({ id: stored.id, seq: stored.seq, stored })),
        origins,
      );
    }),

    onSkipped: guarded((to_seq) => {
      const from_seq = delivery.deliveredSeq() + 1;
      delivery.skipTo(to_seq);
      warn("events were trimmed before this node had read them", { from_seq, to_seq });
    }),

    onEpoch: guarded((epoch) => {
      const before = { epoch_before: delivery.epoch(), delivered: delivery.deliveredSeq() };
      if (!delivery.beginEpoch(epoch)) return;
      onRewound();
      warn("the log has lost events that were delivered; all clients have to come again", {
        ...before,
        ...epoch,
        lost: before.delivered - epoch.start_seq,
      });
    }),

    onForgotten: guarded(onForgotten),
  });
}
