import type { HistoryGap } from "../protocol/messages.ts";

/**
 * In words, for whoever asked for these events.
 *
 * @param narrowed whether a filter was given: nobody can tell any more what it would have let through
 */
export function gapText({ from_seq: from, to_seq: to, reason }: HistoryGap, narrowed: boolean): string {
  const events = from >= to ? `Event ${from} is` : `Events ${from} to ${to} are`;
  switch (reason) {
    case "trimmed":
      return `${events} no longer held${narrowed ? "; what of that would have fitted is not known" : ""}`;
    case "beyond_end":
      return `${events} not in the log, which ends at ${from - 1}`;
    case "unknown_epoch":
      return "The server's log is another one than before; what it holds follows from its beginning";
  }
}
