import { fstatSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readInput } from "../../hooks/input.ts";
import { ask, refusalIn } from "../../client/http.ts";
import { parseExactJson } from "../../protocol/json.ts";
import type { IngestResult } from "../../protocol/messages.ts";
import { textOf } from "../event-question.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { runningServer } from "../reach.ts";
import type { Command } from "../tree.ts";

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
const PIPED = { headBytes: MAX_BYTES, tailBytes: 0, silenceMs: 1000, totalMs: 60_000 };

export default {
  description: "Send one event, and print its seq once it is stored",
  args: {
    type: { type: "positional", description: "The event's type, such as build.done", required: false },
    data: {
      type: "positional",
      description:
        "The event's data as JSON; - reads it from stdin, as does leaving it out where stdin is a file, or a pipe with something in it",
      required: false,
      valueHint: "JSON",
    },
    session: { type: "string", description: "The session the event belongs to", valueHint: "ID" },
    project: { type: "string", description: "The directory the event belongs to", valueHint: "DIR" },
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const type = args.type === "" ? undefined : textOf(args, "type");
    if (type === undefined) {
      throw new CommandError(
        "The event's type is missing",
        "Write, for example, emit build.done",
        EXIT.usage,
      );
    }
    const data = await dataOf(args.data === "" ? undefined : textOf(args, "data"));
    const session = textOf(args, "session");
    const project = textOf(args, "project");
    const id = crypto.randomUUID();
    const event = {
      type,
      id,
      timestamp: new Date().toISOString(),
      ...(session === undefined ? {} : { session_id: session }),
      ...(project === undefined ? {} : { cwd: resolve(project) }),
      ...(data === undefined ? {} : { data }),
    };

    const server = await runningServer(loadForCommand(rawArgs));
    const { status, text } = await ask(server, "/api/events", {
      method: "POST",
      body: JSON.stringify(event),
      timeoutMs: TIMEOUT_MS,
    });
    if (status !== 200) throw refusalIn(status, text) ?? new Error(`${server.url} answers HTTP ${status}`);
    const { last_seq: seq } = JSON.parse(text) as IngestResult;
    if (args.json === true) printJson({ seq, id });
    else print(`${seq}`);
    return EXIT.done;
  },
} satisfies Command;

/** Numbers stay as they are written. Undefined where there is no text. */
async function dataOf(given: string | undefined): Promise<unknown> {
  const text = given === "-" ? readFileSync(0, "utf8") : (given ?? (await pipedText()));
  if (text.trim() === "") return undefined;
  try {
    return parseExactJson(text);
  } catch (error) {
    const where = given === undefined || given === "-" ? "What stdin holds" : "The data";
    throw new CommandError(
      `${where} is not valid JSON: ${(error as Error).message}`,
      `Write, for example, emit build.done '{"target": "web"}'`,
      EXIT.usage,
    );
  }
}

/** What was put in without being asked for: programs leave a pipe open that nobody ever writes into. */
async function pipedText(): Promise<string> {
  try {
    const stdin = fstatSync(0);
    // A terminal or `/dev/null` is where nobody has put anything.
    if (!stdin.isFIFO() && !stdin.isFile() && !stdin.isSocket()) return "";
  } catch {
    return "";
  }
  const { head } = await readInput(undefined, PIPED);
  return new TextDecoder().decode(head);
}
