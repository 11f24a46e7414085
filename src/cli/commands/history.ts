import { type HistoryPage, type HistoryQuestion, readHistory } from "../../client/history.ts";
import { createLineFormatter, dayOf } from "../event-line.ts";
import { EVENT_ARGS, filterOf, isoTime, readEventFlags, textOf } from "../event-question.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS, wholeNumber } from "../flags.ts";
import { gapText } from "../gap-text.ts";
import { type Moment, parseMoment } from "../moment.ts";
import { EXIT, print, printError, printJson, style, terminalColumns } from "../output.ts";
import { runningServer } from "../reach.ts";
import type { Command } from "../tree.ts";

const DEFAULT_LIMIT = 100;

export default {
  description: "Show stored events, oldest first; lines are cut on a terminal only, not through a pipe",
  args: {
    ...EVENT_ARGS,
    until: {
      type: "string",
      description: "Up to then, in the forms of --since; the event of a seq is included",
      valueHint: "WHEN",
    },
    search: {
      type: "string",
      description: "Only events with this text anywhere in their JSON",
      valueHint: "TEXT",
    },
    limit: {
      type: "string",
      alias: "n",
      description: `How many of the newest, or "all" (Default: ${DEFAULT_LIMIT})`,
      valueHint: "N",
    },
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const now = Date.now();
    const flags = readEventFlags(args, rawArgs, now);
    const untilText = textOf(args, "until");
    const until = untilText === undefined ? undefined : parseMoment(untilText, "--until", now);
    const search = textOf(args, "search");
    const limitText = textOf(args, "limit");
    const limit = limitText === undefined ? DEFAULT_LIMIT : countOf(limitText);

    const server = await runningServer(loadForCommand(rawArgs));
    const filter = await filterOf(server, flags);
    if (search !== undefined) filter.set("q", search);
    const question = withinBounds({ filter, limit }, flags.since, until);
    const pages = readHistory(server, question);
    if (args.json === true) await printDocument(pages);
    else await printLines(pages, question, limitText === undefined);
    return EXIT.done;
  },
} satisfies Command;

function countOf(limit: string): number {
  return limit === "all" ? Infinity : wholeNumber(limit, "--limit");
}

function withinBounds(
  { filter, limit }: HistoryQuestion,
  since: Moment | undefined,
  until: Moment | undefined,
): HistoryQuestion {
  const question: HistoryQuestion = { filter, limit };
  if (since && "time" in since) filter.set("since", isoTime(since.time));
  else if (since) question.after = since.seq;
  if (until && "time" in until) filter.set("until", isoTime(until.time));
  else if (until) question.before = until.seq + 1;
  return question;
}

/** Only when all is there: a document is whole, or it is the error. */
async function printDocument(pages: AsyncIterable<HistoryPage>): Promise<void> {
  const read: HistoryPage[] = [];
  for await (const page of pages) read.push(page);
  const events = read.flatMap((page) => page.events);
  const [{ epoch, first_seq, last_seq, total_available } = {} as Partial<HistoryPage>] = read;
  printJson({ epoch, first_seq, last_seq, total_available, returned: events.length, events });
}

async function printLines(
  pages: AsyncIterable<HistoryPage>,
  { filter, after, before, limit }: HistoryQuestion,
  limitIsDefault: boolean,
): Promise<void> {
  let lineOf: ReturnType<typeof createLineFormatter> | null = null;
  let returned = 0;
  let total = 0;
  for await (const { events, first_seq, last_seq, total_available } of pages) {
    const [oldest] = events;
    if (returned === 0) explainRange(after, first_seq, last_seq, filter.size > 0);
    if (!oldest) continue;
    lineOf ??= createLineFormatter({
      paint: style,
      columns: terminalColumns,
      now: Date.now,
      dated: dayOf(new Date(String(oldest.received_at))) !== dayOf(new Date()),
    });
    if (!print(events.map(lineOf).join("\n"))) return;
    returned += events.length;
    total = total_available;
  }
  if (returned === 0 && limit > 0) printError("No event fits");
  else if (limitIsDefault && returned === limit && returned < total) {
    // The server counts what fits the filter, between whichever seqs.
    const exact = after === undefined && before === undefined;
    const which = exact ? `The newest ${returned} of ${total}` : `The newest ${returned}, perhaps not all`;
    printError(`${which}; for more: --limit N, or --limit all`);
  }
}

/** Says what lies between the seq that was asked for and what the log holds. */
function explainRange(after: number | undefined, first: number, last: number, narrowed: boolean): void {
  if (after === undefined) return;
  if (after > last)
    printError(gapText({ from_seq: last + 1, to_seq: after, reason: "beyond_end" }, narrowed));
  else if (after + 1 < first)
    printError(gapText({ from_seq: after + 1, to_seq: first - 1, reason: "trimmed" }, narrowed));
}
