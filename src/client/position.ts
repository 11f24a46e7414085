/** How far a client has got in a server's log, so that it can go on from there. */
import type { ConnectionAck, HistoryGap } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";

type Greeting = Pick<ConnectionAck, "epoch" | "last_seq"> & Partial<ConnectionAck>;

export class Position {
  #at: ResumePosition | null;
  /** Of the connection that now is; null where its server numbers nothing, and whatever it says changes no position. */
  #greeting: Greeting | null = null;
  /** Own events beyond the position: they do not come back, so they are taken for read when it reaches them. */
  readonly #own = new Set<number>();

  constructor(start: ResumePosition | null) {
    this.#at = start;
  }

  /** Null before a server that numbers its events has greeted; one that does not, later, leaves it as it is. */
  get current(): ResumePosition | null {
    return this.#at && { ...this.#at };
  }

  /** A new connection is greeted. A gap, if there is one, is told of right after it. */
  greeted(ack: Partial<ConnectionAck>): void {
    this.#greeting = isNumbering(ack) ? ack : null;
    if (!isNumbering(ack)) return;
    if (this.#at?.epoch !== ack.epoch) this.#own.clear();
    // A later epoch of the same log goes on counting; another log's is said in a gap.
    this.#at = { epoch: ack.epoch, seq: this.#at?.seq ?? ack.last_seq };
  }

  /** The log of the connection goes on under another name, and nothing that was read is lost. */
  renamed(ack: Partial<ConnectionAck>): void {
    if (this.#greeting && this.#at && isNumbering(ack)) this.#at.epoch = ack.epoch;
  }

  /** Everything up to the gap's end is not to be had. */
  gap({ from_seq, to_seq, reason }: HistoryGap): void {
    if (!this.#greeting) return;
    this.#own.clear();
    const { first_seq = 1 } = this.#greeting;
    const ends = { trimmed: to_seq, beyond_end: from_seq - 1, unknown_epoch: first_seq - 1 };
    this.#moveTo(ends[reason] ?? to_seq);
  }

  /** Whether an event is new here; one without a seq always is. */
  takes(seq: unknown): boolean {
    if (typeof seq !== "number" || !this.#greeting || !this.#at) return true;
    if (seq <= this.#at.seq) return false;
    this.#moveTo(seq);
    return true;
  }

  /** An own event is stored; the server will not send it on this connection. */
  ownStored(seq: number): void {
    if (!this.#greeting || !this.#at || seq <= this.#at.seq) return;
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

function isNumbering(ack: Partial<ConnectionAck>): ack is Greeting {
  return typeof ack.epoch === "string" && typeof ack.last_seq === "number";
}
