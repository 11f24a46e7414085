/** Texts out of events, as far as they are remembered. */

const UTF_8 = { encoder: new TextEncoder(), decoder: new TextDecoder() };

/** As much of a text as is kept; a copy, for a part of a string keeps the whole of it in memory. */
export function kept(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return UTF_8.decoder.decode(UTF_8.encoder.encode(text.slice(0, maxChars)));
}
