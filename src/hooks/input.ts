/** Reads a hook's standard input: all of what is small, the two ends of what is not, and never for ever. */
import { parseExactJson } from "../protocol/json.ts";

export interface Input {
  /** The first 16 MiB. */
  head: Uint8Array;
  /** The last of what came after them. */
  tail: Uint8Array;
  /** Of all there was. */
  bytes: number;
  /** What the JSON says, where it has been looked into already. */
  value?: unknown;
}

export interface InputLimits {
  headBytes: number;
  tailBytes: number;
  /** How long the writer may pause. */
  silenceMs: number;
  /** How long it may take in all. */
  totalMs: number;
}

/** The next bytes, or null at the end. */
type Source = () => Promise<Uint8Array | null>;

const LIMITS: InputLimits = {
  headBytes: 16 * 1024 * 1024,
  tailBytes: 64 * 1024,
  silenceMs: 2000,
  totalMs: 5000,
};
/** Whoever writes many small parts that each look like an end would have all of it parsed with each of them. */
const MAX_ATTEMPTS = 20;
const UTF_8 = new TextDecoder();
const SPACE = 0x20;
const CLOSING_BRACE = 0x7d;

/** Resolves at the end, once a whole JSON object is there, or when it takes too long. */
export async function readInput(source = stdin(), limits = LIMITS): Promise<Input> {
  const start = performance.now();
  const head: Uint8Array[] = [];
  let tail = Buffer.alloc(0);
  let [kept, bytes, attempts] = [0, 0, 0];
  while (performance.now() - start < limits.totalMs) {
    const chunk = await inTime(source(), limits.silenceMs);
    if (chunk === null) break;
    bytes += chunk.length;
    const front = chunk.subarray(0, limits.headBytes - kept);
    kept += front.length;
    if (front.length > 0) head.push(front);
    if (front.length < chunk.length) {
      tail = Buffer.concat([tail, chunk.subarray(front.length)]).subarray(-limits.tailBytes);
    }
    // Some writers never close it.
    if (kept === bytes && endsInBrace(chunk) && attempts < MAX_ATTEMPTS) {
      attempts += 1;
      const whole = Buffer.concat(head);
      const value = parse(whole);
      if (value !== undefined) return { head: whole, tail, bytes, value };
    }
  }
  return { head: Buffer.concat(head), tail, bytes };
}

function stdin(): Source {
  const reader = Bun.stdin.stream().getReader();
  return async () => (await reader.read()).value ?? null;
}

/** Null as well when nothing comes in time, or it cannot be read. */
function inTime(chunk: ReturnType<Source>, limitMs: number): ReturnType<Source> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs, null);
    const settle = (bytes: Uint8Array | null) => {
      clearTimeout(timer);
      resolve(bytes);
    };
    chunk.then(settle, () => settle(null));
  });
}

function endsInBrace(chunk: Uint8Array): boolean {
  let end = chunk.length;
  while (end > 0 && (chunk[end - 1] as number) <= SPACE) end -= 1;
  return chunk[end - 1] === CLOSING_BRACE;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseExactJson(UTF_8.decode(bytes));
  } catch {
    return undefined;
  }
}
