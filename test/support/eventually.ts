/** Waits for a condition instead of sleeping for a guessed time. */

const POLL_MS = 5;

/** Resolves with the first value that is neither false, null nor undefined; rejects after the limit. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { limitMs = 10_000, what = "the condition" }: { limitMs?: number; what?: string } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await look();
    if (value !== false && value !== null && value !== undefined)
      return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > deadline) throw new Error(`${what} did not come about within ${limitMs} ms`);
    await Bun.sleep(POLL_MS);
  }
}
