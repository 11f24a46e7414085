import { readPage } from "../../client/history.ts";
import { clearHistory } from "../../client/history-file.ts";
import type { Endpoint } from "../../client/http.ts";
import { ERRORS } from "../../protocol/errors.ts";
import type { ClearResult } from "../../protocol/messages.ts";
import { confirm } from "../confirm.ts";
import { isoTime, textOf } from "../event-question.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { type Moment, parseMoment } from "../moment.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { runningServer } from "../reach.ts";
import type { Command } from "../tree.ts";

export default {
  description:
    "Forget the whole history, or its beginning, for good; seqs go on, and who resumes from behind it is told of the gap",
  args: {
    before: {
      type: "string",
      description:
        "Only what came before: so long ago (30d), a time (2026-01-31T12:00, 14:02), or the event of a seq",
      valueHint: "WHEN",
    },
    yes: { type: "boolean", alias: "y", description: "Do not ask" },
    session: { type: "string", description: "Refused, with the reason", valueHint: "ID", hidden: true },
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    if (args.session !== undefined) {
      const [, message, hint] = ERRORS.session_not_cleared;
      throw new CommandError(message, `${hint}: history clear --before WHEN`, EXIT.usage);
    }
    const beforeText = textOf(args, "before");
    const before = beforeText === undefined ? null : parseMoment(beforeText, "--before", Date.now());
    const server = await runningServer(loadForCommand(rawArgs));
    if (args.yes !== true && !(await confirm(await questionOf(server, before)))) {
      printError("Nothing was forgotten");
      return EXIT.failed;
    }
    const result = await clearHistory(server, wireOf(before));
    if (args.json === true) printJson({ url: server.url, ...result });
    else print(summary(result, server));
    return EXIT.done;
  },
} satisfies Command;

function wireOf(before: Moment | null): Parameters<typeof clearHistory>[1] {
  if (before === null) return { all: true };
  return "seq" in before ? { before_seq: before.seq } : { before: isoTime(before.time) };
}

async function questionOf(server: Endpoint, before: Moment | null): Promise<string> {
  const { first_seq: first, last_seq: last } = await readPage(server, {
    filter: new URLSearchParams(),
    limit: 1,
  });
  const held = `the ${last - first + 1} events of ${server.url}, ${first} to ${last}`;
  if (first > last) return `Forget the history of ${server.url}, of which nothing is held`;
  if (before === null) return `Forget ${held}, for good`;
  const end = "seq" in before ? `the event ${before.seq}` : isoTime(before.time);
  return `Forget what came before ${end} of ${held}, for good`;
}

function summary({ forgotten, first_seq: first, last_seq: last }: ClearResult, { url }: Endpoint): string {
  const rest = first > last ? "holds nothing" : `holds ${first} to ${last}`;
  return `${forgotten} events are forgotten; ${url} ${rest} now`;
}
