import { isForGood } from "../protocol/errors.ts";

/**
 * What became of events that were sent: `later` may yet be accepted, a status is a refusal for good. A batch is
 * stored or refused as a whole.
 */
export type Outcome = "stored" | "later" | { refused: number };

/** What an HTTP status says of the events in its request. */
export function outcomeOf(status: number): Outcome {
  if (status === 200 || status === 204) return "stored";
  return isForGood(status) ? { refused: status } : "later";
}
