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
      const window = windowOf(networkOf(address));
      if (window === null || window.guesses.size < MAX_GUESSES) return 0;
      return Math.max(1, Math.ceil((window.until - now()) / 1000));
    },
    fail(address, token) {
      failures += 1;
      const network = networkOf(address);
      const window = windowOf(network) ?? { until: now() + WINDOW_MS, guesses: new Set() };
      windows.set(network, window);
      if (window.guesses.size < MAX_GUESSES) window.guesses.add(hashOf(token));
      if (windows.size > MAX_ADDRESSES) windows.delete(windows.keys().next().value as string);
    },
    failures: () => failures,
  };
}

/** The first half of an IPv6 address: whoever has one has 2^64 of them. */
function networkOf(address: string): string {
  if (!address.includes(":") || /^::ffff:/i.test(address)) return address;
  const [before = [], after = []] = address.split("::").map((part) => part.split(":").filter(Boolean));
  const zeros = Array(Math.max(0, 8 - before.length - after.length)).fill("0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":");
}

function hashOf(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("base64");
}
