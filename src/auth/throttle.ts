/** Slows guessing down: an address that has tried many different tokens in vain has to wait. */

export interface Throttle {
  /** Seconds an address has to wait before its next attempt is looked at; 0 is not at all. */
  wait(address: string): number;
  /** Notes an attempt in vain. The same token again is no further guess: a client with an old one goes on trying it. */
  fail(address: string, token: string): void;
  /** Attempts in vain since the start, the same ones again included. */
  failures(): number;
}

/** Different tokens within the window, after which an address has to wait for its end. */
const MAX_GUESSES = 10;
const WINDOW_MS = 60_000;
/** Addresses kept at a time; the oldest are forgotten first. */
const MAX_ADDRESSES = 10_000;

interface Window {
  /** Milliseconds since the epoch. */
  until: number;
  guesses: Set<string>;
}

export function createThrottle({ now = Date.now }: { now?: () => number } = {}): Throttle {
  const windows = new Map<string, Window>();
  let failures = 0;

  function windowOf(address: string): Window | null {
    const window = windows.get(address);
    if (window === undefined || window.until > now()) return window ?? null;
    windows.delete(address);
    return null;
  }

  return {
    wait(address) {
      const window = windowOf(address);
      if (window === null || window.guesses.size < MAX_GUESSES) return 0;
      return Math.max(1, Math.ceil((window.until - now()) / 1000));
    },
    fail(address, token) {
      failures += 1;
      const window = windowOf(address) ?? { until: now() + WINDOW_MS, guesses: new Set() };
      windows.set(address, window);
      if (window.guesses.size < MAX_GUESSES) window.guesses.add(hashOf(token));
      if (windows.size > MAX_ADDRESSES) windows.delete(windows.keys().next().value as string);
    },
    failures: () => failures,
  };
}

function hashOf(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("base64");
}
