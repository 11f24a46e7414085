/** The form in which nodes send each other questions and answers. */

/** A list of ten thousand clients is 3 MB, and Redis cuts off who is sent too much at once; it packs to a tenth. */
const PACKED_FROM_BYTES = 16 * 1024;
const PLAIN = 0;
const PACKED = 1;

/** One byte that tells the form, then JSON. */
export function pack(value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value));
  const isLarge = text.length >= PACKED_FROM_BYTES;
  const body = isLarge ? Bun.gzipSync(text, { level: 1 }) : text;
  return Buffer.concat([Buffer.of(isLarge ? PACKED : PLAIN), body]);
}

/** Undefined where it cannot be read; it may be of another release. */
export function unpack(message: Buffer): unknown {
  try {
    const [form] = message;
    // A copy: the client reads on into the same memory.
    const body = new Uint8Array(message.subarray(1));
    if (form !== PLAIN && form !== PACKED) return undefined;
    return JSON.parse(Buffer.from(form === PACKED ? Bun.gunzipSync(body) : body).toString("utf8"));
  } catch {
    return undefined;
  }
}
