/** Reads a hook's standard input: all of what is small, the two ends of what is not, and never for ever. */
import { fstatSync, readSync } from "node:fs";

export interface Input {
  /** The first 16 MiB. */
  head: Uint8Array;
  /** The last of what came after them. */
  tail: Uint8Array;
  /** Of all there was. */
  bytes: number;
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
type Source = () => Uint8Array | null | Promise<Uint8Array | null>;

const STDIN = 0;
const CHUNK_BYTES = 64 * 1024;
const LIMITS: InputLimits = {
  headBytes: 16 * 1024 * 1024,
  tailBytes: 64 * 1024,
  silenceMs: 2000,
  totalMs: 5000,
};
/** Whoever writes many small parts that each look like an end would have all of it parsed with each of them. */
const MAX_ATTEMPTS = 20;
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
    if (
      kept === bytes &&
      chunk.findLast((byte) => byte > 0x20) === CLOSING_BRACE &&
      attempts < MAX_ATTEMPTS
    ) {
      attempts += 1;
      if (isJson(Buffer.concat(head))) break;
    }
  }
  return { head: Buffer.concat(head), tail, bytes };
}

/** A file is read at once, which is quicker; anything else may keep us waiting. */
function stdin(): Source {
  if (fstatSync(STDIN).isFile()) {
    return () => {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = readSync(STDIN, buffer, 0, CHUNK_BYTES, null);
      return count === 0 ? null : buffer.subarray(0, count);
    };
  }
  const reader = Bun.stdin.stream().getReader();
  return async () => (await reader.read()).value ?? null;
}

function inTime(chunk: ReturnType<Source>, limitMs: number): ReturnType<Source> {
  if (!(chunk instanceof Promise)) return chunk;
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(resolve, limitMs, null);
  return Promise.race([chunk, promise]).finally(() => clearTimeout(timer));
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}
