/** Random changes to texts and bytes, the same for the same seed. */

export type Random = (below: number) => number;

/** mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random(items.length)] as T;
}

const MAX_BYTES = 64 * 1024;
const MAX_CHANGES = 5;
/** What parsers trip over. */
const TOKENS = [
  ...'{}[]"\\,:;=&?%#/ \r\n\t\0-+'.split(""),
  "\r\n\r\n",
  "\\u0000",
  "\\ud800",
  "\x7f\xff",
  "null",
  "NaN",
  "1e999",
  "-1",
  "99999999999999999999",
  "0x7fffffff",
  "__proto__",
  "constructor",
  "_placeholder",
  "%00",
  "%zz",
  "../",
  "chunked",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\x1e",
  "b4",
  "2probe",
  "41",
  "51-",
].map((text) => Buffer.from(text, "latin1"));

/** Some bytes, changed in one to five places; `others` lend parts of themselves. */
export function mutate(random: Random, original: Buffer, others: readonly Buffer[]): Buffer {
  let bytes = original;
  for (let left = 1 + random(MAX_CHANGES); left > 0; left -= 1) bytes = change(random, bytes, others);
  return bytes.subarray(0, MAX_BYTES);
}

function change(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const at = random(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + random(random(4) === 0 ? bytes.length + 1 : 8));
  const replaced = (...between: Buffer[]) =>
    Buffer.concat([bytes.subarray(0, at), ...between, bytes.subarray(end)]);
  switch (random(7)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << random(8));
      return flipped;
    }
    case 1:
      return replaced();
    case 2:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 3:
      return replaced(Buffer.from(Array.from({ length: 1 + random(16) }, () => random(256))));
    case 4: {
      const other = pick(random, others);
      const from = random(other.length + 1);
      return replaced(other.subarray(from, from + random(200)));
    }
    case 5:
      return bytes.subarray(0, at);
    default:
      return replaced(pick(random, TOKENS));
  }
}
