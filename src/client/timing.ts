/** Waiting, with an end to it. */

/** Resolves after so many milliseconds, or as soon as the signal is given; at once when it has been. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  // It is not told again to those who listen late.
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, durationMs);
    signal.addEventListener("abort", end);
  });
}

/** Whether it happens within so many milliseconds; `listen` returns how to listen no longer. */
export async function happensWithin(
  limitMs: number,
  listen: (happened: () => void) => () => void,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let cancel = () => {};
  try {
    return await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), limitMs);
      cancel = listen(() => resolve(true));
    });
  } finally {
    clearTimeout(timer);
    cancel();
  }
}
