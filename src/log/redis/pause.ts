/** Pauses that end early when everything ends. */
export function createPause() {
  let ended = false;
  const waiting = new Set<() => void>();
  return {
    /** @param ms milliseconds */
    wait(ms: number): Promise<void> {
      if (ended) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting.add(done);
      });
    },
    end(): void {
      ended = true;
      for (const done of waiting) done();
    },
  };
}
