/** When the index works: in the pauses between appends, and the less the more there is to store. */

/**
 * How long the index may keep others waiting at a time, and the share of the time it takes. A slice ends with a
 * commit, which can take much longer than the slice was given.
 */
const INDEX_PACE = {
  quiet: { sliceMs: 4, share: 0.7 },
  busy: { sliceMs: 1, share: 0.3 },
  flood: { sliceMs: 1, share: 0.01 },
};
/** Characters that take the index about a twentieth of the time; with more it falls behind, and catches up later. */
const FLOOD_CHARS_PER_SECOND = 300_000;
/** Before the first slice: what came in since the last one tells how busy it is. */
const INDEX_PAUSE_MS = 5;

export interface IndexWork {
  /** Events of so many characters have been stored. */
  stored(chars: number): void;
  /** Goes on with the index after a while. */
  schedule(): void;
  stop(): void;
}

export interface IndexWorkOptions {
  /** One slice of about so many milliseconds; true when there is more to do. */
  advance: (sliceMs: number) => boolean;
  onDone: () => void;
  onError: (error: unknown) => void;
}

export function createIndexWork({ advance, onDone, onError }: IndexWorkOptions): IndexWork {
  let timer: Timer | null = null;
  let stopped = false;
  let lastSliceAt = performance.now();
  /** Stored since then. */
  let newChars = 0;

  function schedule(pauseMs = INDEX_PAUSE_MS): void {
    if (stopped || timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      try {
        work();
        onDone();
      } catch (error) {
        onError(error);
      }
    }, pauseMs);
  }

  /** One slice, and a pause that makes up for it. */
  function work(): void {
    const start = performance.now();
    const perSecond = (newChars / (start - lastSliceAt)) * 1000;
    const { sliceMs, share } =
      INDEX_PACE[perSecond === 0 ? "quiet" : perSecond < FLOOD_CHARS_PER_SECOND ? "busy" : "flood"];
    const more = advance(sliceMs);
    lastSliceAt = performance.now();
    newChars = 0;
    if (more) schedule((lastSliceAt - start) * (1 / share - 1));
  }

  return {
    stored(chars) {
      newChars += chars;
    },
    schedule: () => schedule(),
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
