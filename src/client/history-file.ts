/** Takes a whole history out of a server, brings it into another, or has it forgotten: see `protocol/history-file.ts`. */
import type { IncomingMessage } from "node:http";
import { type HistoryHeader, isClearResult, isImportResult } from "../protocol/history-file.ts";
import type { ClearResult, ImportResult } from "../protocol/messages.ts";
import { ask, authorization, begin, type Endpoint, refusalIn } from "./http.ts";

/** Without a byte for so long it counts as lost. */
const SILENCE_MS = 60_000;
/** What is kept goes into a new file, which takes a second for 100,000 events. */
const CLEAR_MS = 600_000;

/** The bytes of `GET /api/history/export`, as fast as they are read. Throws a `ServerRefusal`, or what the system says. */
export async function* readExport({ url, token, certificates }: Endpoint): AsyncGenerator<Uint8Array> {
  const outgoing = begin(`${url}/api/history/export`, certificates, { headers: authorization(token) });
  outgoing.setTimeout(SILENCE_MS, () => {
    outgoing.destroy(new Error(`nothing was heard for ${SILENCE_MS / 1000} s`));
  });
  try {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.on("error", reject);
      outgoing.end();
    });
    const { statusCode: status = 0 } = incoming;
    if (status !== 200) {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString("utf8");
      throw refusalIn(status, text) ?? new Error(`${url} answers HTTP ${status}`);
    }
    yield* incoming as AsyncIterable<Uint8Array>;
  } finally {
    outgoing.destroy();
  }
}

/** Sends a part: its first line, and events as they are stored. Throws a `ServerRefusal`, or what the system says. */
export async function sendPart(
  server: Endpoint,
  header: HistoryHeader,
  events: readonly string[],
): Promise<ImportResult> {
  const body = `${[JSON.stringify(header), ...events].join("\n")}\n`;
  const path = "/api/history/import";
  const { status, text } = await ask(server, path, { method: "POST", body, timeoutMs: SILENCE_MS });
  if (status !== 200) throw refusalIn(status, text) ?? new Error(`${server.url} answers HTTP ${status}`);
  const result: unknown = JSON.parse(text);
  if (!isImportResult(result)) throw new Error(`${server.url} answers with something else`);
  return result;
}

/** Has events forgotten: `all`, those `before` a time, or those before a seq. Throws a `ServerRefusal`, or what the system says. */
export async function clearHistory(
  server: Endpoint,
  what: { all: true } | { before: string } | { before_seq: number },
): Promise<ClearResult> {
  const body = JSON.stringify(what);
  const path = "/api/history/clear";
  const { status, text } = await ask(server, path, { method: "POST", body, timeoutMs: CLEAR_MS });
  if (status !== 200) throw refusalIn(status, text) ?? new Error(`${server.url} answers HTTP ${status}`);
  const result: unknown = JSON.parse(text);
  if (!isClearResult(result)) throw new Error(`${server.url} answers with something else`);
  return result;
}
