/**
 * Which seq an event id was stored under, in 20 to 40 bytes an entry: at a million events a Map of strings would take
 * several times as much. Open addressing with linear probing; what has been trimmed from the log is forgotten when
 * the table is rebuilt. It stores hashes, so a hit is a candidate that the log has to confirm.
 */
export interface IdIndex {
  add(id: string, seq: number): void;
  /** Seqs from `firstSeq` on whose id may be this one. */
  candidates(id: string, firstSeq: number): number[];
}

const MAX_LOAD = 0.6;

/** @param firstSeq the oldest seq still held, asked when the table has to be rebuilt */
export function createIdIndex(firstSeq: () => number): IdIndex {
  let capacity = 1024;
  let hashes = new Uint32Array(capacity);
  // 0 is an empty slot; a double holds every safe integer.
  let seqs = new Float64Array(capacity);
  let used = 0;

  function insert(hash: number, seq: number): void {
    let slot = hash & (capacity - 1);
    while (seqs[slot] !== 0) slot = (slot + 1) & (capacity - 1);
    hashes[slot] = hash;
    seqs[slot] = seq;
    used += 1;
  }

  function rebuild(): void {
    const [oldHashes, oldSeqs, first] = [hashes, seqs, firstSeq()];
    const live = oldSeqs.reduce((count, seq) => (seq >= first && seq !== 0 ? count + 1 : count), 0);
    while (live > (capacity * MAX_LOAD) / 2) capacity *= 2;
    hashes = new Uint32Array(capacity);
    seqs = new Float64Array(capacity);
    used = 0;
    for (const [slot, seq] of oldSeqs.entries()) {
      if (seq !== 0 && seq >= first) insert(oldHashes[slot] as number, seq);
    }
  }

  return {
    add(id, seq) {
      if (used + 1 > capacity * MAX_LOAD) rebuild();
      insert(hashOf(id), seq);
    },
    candidates(id, first) {
      const hash = hashOf(id);
      const found: number[] = [];
      for (let slot = hash & (capacity - 1); seqs[slot] !== 0; slot = (slot + 1) & (capacity - 1)) {
        const seq = seqs[slot] as number;
        if (hashes[slot] === hash && seq >= first) found.push(seq);
      }
      return found;
    },
  };
}

function hashOf(id: string): number {
  return Bun.hash.xxHash32(id);
}
