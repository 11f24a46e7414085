/** How far a client has got in a server's log, so that it can go on from there. */
import type { ConnectionAck, HistoryGap } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";

export class Position {
  #at: ResumePosition | null;
  #greeting: ConnectionAck | null = null;
  /** Own events beyond the position: they do not come back, so they are taken for read when it reaches them. */
  readonly #own = new Set<number>();

  constructor(start: ResumePosition | null) {
    this.#at = start;
  }

  /** Null before the first greeting, and with a server that numbers nothing. */
  get current(): ResumePosition | null {
    return this.#at && { ...this.#at };
  }

  /** A new connection is greeted. A gap, if there is one, is told of right after it. */
  greeted(ack: ConnectionAck): void {
    this.#greeting = ack;
    if (typeof ack.epoch !== "string") return void (this.#at = null);
    if (this.#at?.epoch !== ack.epoch) this.#own.clear();
    // A later epoch of the same log goes on counting; another log's is said in a gap.
    this.#at = { epoch: ack.epoch, seq: this.#at?.seq ?? ack.last_seq };
  }

  /** Everything up to the gap's end is not to be had. */
  gap({ from_seq, to_seq, reason }: HistoryGap): void {
    if (!this.#at) return;
    this.#own.clear();
    const { first_seq = 1 } = this.#greeting ?? {};
    const ends = { trimmed: to_seq, beyond_end: from_seq - 1, unknown_epoch: first_seq - 1 };
    this.#moveTo(ends[reason] ?? to_seq);
  }

  /** Whether an event is new here; one without a seq always is. */
  takes(seq: unknown): boolean {
    if (typeof seq !== "number" || !this.#at) return true;
    if (seq <= this.#at.seq) return false;
    this.#moveTo(seq);
    return true;
  }

  /** An own event is stored; the server will not send it on this connection. */
  ownStored(seq: number): void {
    if (!this.#at || seq <= this.#at.seq) return;
    this.#own.add(seq);
    this.#moveTo(this.#at.seq);
  }

  #moveTo(seq: number): void {
    if (!this.#at) return;
    let reached = seq;
    while (this.#own.delete(reached + 1)) reached += 1;
    if (reached - this.#at.seq > 1) for (const own of this.#own) if (own <= reached) this.#own.delete(own);
    this.#at.seq = reached;
  }
}
