import type { Endpoint } from "../../client/http.ts";
import { readPage } from "../../client/history.ts";
import { followEvents } from "../../client/stream.ts";
import { endpointOf } from "../../daemon/endpoint.ts";
import { isObject } from "../../protocol/event.ts";
import { parseExactJson } from "../../protocol/json.ts";
import type { ResumePosition } from "../../protocol/query.ts";
import { createLineFormatter } from "../event-line.ts";
import { EVENT_ARGS, filterOf, isoTime, readEventFlags } from "../event-question.ts";
import { loadForCommand, SERVER_ARGS } from "../flags.ts";
import { gapText } from "../gap-text.ts";
import type { Moment } from "../moment.ts";
import { EXIT, printError, printPatiently, style, terminalColumns } from "../output.ts";
import { addressOf, runningOrStartedServer } from "../reach.ts";
import type { Command } from "../tree.ts";
import { harmlessJson } from "../terminal-text.ts";

export default {
  description:
    "Show events as they come, until Ctrl-C; goes on by itself where it was after a lost connection, and starts a server when none runs",
  args: {
    ...EVENT_ARGS,
    json: { type: "boolean", description: "Print each event as JSON, one per line" },
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const flags = readEventFlags(args, rawArgs);
    const loaded = loadForCommand(rawArgs);
    const found = await runningOrStartedServer(loaded, rawArgs);
    const filter = await filterOf(found, flags);
    const from = await positionOf(found, flags.since);
    // With port 0 only the first look knows which it is.
    const server = loaded.values.port === 0 ? () => found : () => endpointOf(addressOf(loaded));

    const interrupted = new AbortController();
    const { signal } = interrupted;
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort());
    const lineOf = createLineFormatter({ paint: style, columns: terminalColumns, now: Date.now });
    const aborted = new Promise<false>((resolve) => {
      signal.addEventListener("abort", () => resolve(false));
    });

    for await (const update of followEvents({ server, filter, from, signal })) {
      if (update.kind === "event") {
        const text = args.json === true ? harmlessJson(update.json) : textOf(update.json, lineOf);
        if (!(await Promise.race([printPatiently(text), aborted]))) break;
      } else if (update.kind === "gap") printError(gapText(update.gap, filter.size > 0));
      else if (update.kind === "lost") printError(`Connection lost: ${update.reason}; trying again`);
      else if (update.again) printError("Connected again");
    }
    return EXIT.done;
  },
} satisfies Command;

/** Where the stream begins: what comes after this is shown, also when the connection is lost before the first event. */
async function positionOf(server: Endpoint, since: Moment | undefined): Promise<ResumePosition> {
  const filter = new URLSearchParams();
  if (since && "time" in since) filter.set("since", isoTime(since.time));
  const { epoch, last_seq, events } = await readPage(server, {
    filter,
    after: 0,
    limit: since && "time" in since ? 1 : 0,
  });
  if (since && "seq" in since) return { epoch, seq: since.seq };
  return { epoch, seq: (events[0]?.seq ?? last_seq + 1) - 1 };
}

function textOf(json: string, lineOf: ReturnType<typeof createLineFormatter>): string {
  const event = parseExactJson(json);
  return isObject(event) ? lineOf(event) : harmlessJson(json);
}
