import { createReadStream, existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type Endpoint, ServerRefusal } from "../../client/http.ts";
import { sendPart } from "../../client/history-file.ts";
import type { HistoryHeader } from "../../protocol/history-file.ts";
import type { ImportResult } from "../../protocol/messages.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { createHistoryCheck, fileArg, fileOf, linesOf } from "../history-lines.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { runningServer } from "../reach.ts";
import type { Command } from "../tree.ts";

/** The server takes a part at a time, and does nothing else meanwhile. */
const PART_CHARS = 256 * 1024;
const PART_EVENTS = 500;
/** A server that is away, or cannot write for a moment, is tried again for so long. */
const RETRY_MS = 20_000;
const RETRY_PAUSE_MS = 500;

const EXPORT_HINT = "Write one: claude-mpm-socketio history export FILE";

export default {
  description: "Bring the history of another server, written by history export, into a server that has none",
  args: {
    ...fileArg("The file; - is standard input"),
    trim: {
      type: "boolean",
      description: "Bring in only the newest events, as many as the server keeps, where there are more",
    },
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const file = fileOf(args, "import");
    const name = file === "-" ? "Standard input" : file;
    // All of a file is looked at before anything is sent; what comes through a pipe comes only once.
    if (file !== "-") for await (const _ of checked(file, name));
    const server = await runningServer(loadForCommand(rawArgs));
    const result = await bringIn(server, checked(file, name), { name, trim: args.trim === true });
    if (args.json === true) printJson({ file, url: server.url, ...result });
    else print(summary(result, server));
    return EXIT.done;
  },
} satisfies Command;

/** What has become of a history. */
interface Imported extends ImportResult {
  /** In the file. */
  events: number;
  already_there: number;
  /** Its oldest, which are beyond what the server keeps. */
  not_kept: number;
}

function summary(result: Imported, { url }: Endpoint): string {
  const { stored, already_there, not_kept, first_seq, last_seq } = result;
  const range = first_seq > last_seq ? "" : `, which holds ${first_seq} to ${last_seq} now`;
  return [
    `${stored} events were brought into ${url}${range}`,
    ...(already_there > 0 ? [`${already_there} were there already`] : []),
    ...(not_kept > 0 ? [`The oldest ${not_kept} are beyond what the server keeps`] : []),
  ].join("\n");
}

/** The lines of a history behind its first, with that; each of them has been looked at. */
async function* checked(
  file: string,
  name: string,
): AsyncGenerator<{ header: HistoryHeader; lines: readonly string[] }> {
  const check = createHistoryCheck(name, "whole");
  if (file !== "-" && !existsSync(file)) throw new CommandError(`There is no file ${file}`, EXPORT_HINT);
  const chunks = file === "-" ? process.stdin : createReadStream(file);
  let isFirst = true;
  for await (const lines of linesOf(chunks as AsyncIterable<Uint8Array>, name)) {
    for (const line of lines) check.take(line);
    const { header } = check;
    if (header) yield { header, lines: isFirst ? lines.slice(1) : lines };
    isFirst = false;
  }
  check.end();
}

async function bringIn(
  server: Endpoint,
  history: ReturnType<typeof checked>,
  { name, trim }: { name: string; trim: boolean },
): Promise<Imported> {
  let sender: Sender | null = null;
  for await (const { header, lines } of history) {
    sender ??= await begin(server, header, { name, trim });
    for (const line of lines) await sender.take(line);
  }
  // Without a header the history has thrown.
  return (sender as Sender).end();
}

interface Sender {
  take(line: string): Promise<void>;
  end(): Promise<Imported>;
}

/** Asks whether the history would be taken, and how much of it. */
async function begin(
  server: Endpoint,
  header: HistoryHeader,
  { name, trim }: { name: string; trim: boolean },
): Promise<Sender> {
  const { first_seq: first, last_seq: last, epochs } = header;
  const common = { claude_mpm_socketio: "history", schema: 1, epochs } as const;
  const there = await send(server, { ...header, more: true }, []);
  const { max_history_size: most } = there;
  const events = last - first + 1;
  if (events > most && !trim && there.last_seq < last) {
    throw new CommandError(
      `${name} has ${events} events, and the server keeps no more than ${most}`,
      `Start it with --set max_history_size=${events}, or bring in only the newest ${most}: --trim`,
    );
  }
  const isEmpty = there.first_seq > there.last_seq;
  if (isEmpty && events > 0 && there.last_seq >= last) {
    throw new CommandError(
      `The server had the events up to ${there.last_seq}, those of ${name} too, and has forgotten them`,
      "Bring them into one that has stored nothing yet: another --state-dir, or an empty Redis database",
    );
  }
  // One that is there already goes along, by which the server knows that it is the same history.
  const start = isEmpty ? Math.max(first, last - most + 1) : Math.max(first, Math.min(there.last_seq, last));
  let seq = first;
  let stored = 0;
  let chars = 0;
  let part: string[] = [];

  async function sendOn(more: boolean): Promise<ImportResult> {
    const range = { first_seq: seq - part.length, last_seq: seq - 1 };
    const result = await send(server, { ...common, ...range, ...(more ? { more } : {}) }, part);
    stored += result.stored;
    [part, chars] = [[], 0];
    return result;
  }

  return {
    async take(line) {
      // Only when more comes it is known that a part is not the last.
      if (part.length === PART_EVENTS || (part.length > 0 && chars + line.length > PART_CHARS))
        await sendOn(true);
      if (seq >= start) {
        part.push(line);
        chars += line.length;
      }
      seq += 1;
    },
    async end() {
      const result = await sendOn(false);
      return {
        ...result,
        stored,
        events,
        already_there: (isEmpty ? last - start + 1 : events) - stored,
        not_kept: Math.max(0, Math.min(result.first_seq, last + 1) - first),
      };
    },
  };
}

/** Sends a part, again and again while the server cannot take it: what it has stored already it passes over. */
async function send(
  server: Endpoint,
  header: HistoryHeader,
  events: readonly string[],
): Promise<ImportResult> {
  const end = Date.now() + RETRY_MS;
  for (;;) {
    try {
      return await sendPart(server, header, events);
    } catch (error) {
      const isForGood = error instanceof ServerRefusal && error.status !== 503;
      if (isForGood) throw error;
      if (Date.now() > end) {
        throw new CommandError(
          `The server does not take the history: ${(error as Error).message}`,
          "Run the same again when it does: it goes on where it has stopped",
        );
      }
      await pause(RETRY_PAUSE_MS);
    }
  }
}
