import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { ServerRefusal } from "../../client/http.ts";
import { readExport } from "../../client/history-file.ts";
import type { HistoryHeader } from "../../protocol/history-file.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { createHistoryCheck, fileArg, fileOf, linesOf } from "../history-lines.ts";
import { CommandError, EXIT, print, printError, printJson, printPatiently } from "../output.ts";
import { runningServer } from "../reach.ts";
import type { Command } from "../tree.ts";

/** The log may forget events before they are read; then it is begun anew. */
const ATTEMPTS = 3;

/** Takes lines without their ends; returns false when nobody wants more. */
type Sink = (lines: readonly string[]) => Promise<boolean>;

export default {
  description: "Write the whole history into a file, as it is at this moment, for history import",
  args: {
    ...fileArg("The file, which nobody else may read; - is standard output"),
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const file = fileOf(args, "export");
    if (file === "-" && args.json === true) {
      throw new CommandError("Both the history and --json want standard output", "Name a file", EXIT.usage);
    }
    const server = await runningServer(loadForCommand(rawArgs));
    const read = (sink: Sink) => copy(readExport(server), sink);
    const header =
      file === "-" ? await read((lines) => printPatiently(lines.join("\n"))) : await intoFile(file, read);
    if (header === null) return EXIT.done;
    const { first_seq, last_seq, epochs, server_id } = header;
    const events = last_seq - first_seq + 1;
    if (args.json === true) printJson({ file, server_id, epochs, first_seq, last_seq, events });
    else if (file === "-") printError(`${events} events${rangeOf(header)} were written`);
    else print(`${events} events${rangeOf(header)} are in ${file}`);
    return EXIT.done;
  },
} satisfies Command;

function rangeOf({ first_seq, last_seq }: HistoryHeader): string {
  return last_seq < first_seq ? "" : `, ${first_seq} to ${last_seq},`;
}

/** Hands on what comes, and sees that it is whole; null where nobody wanted all of it. */
async function copy(chunks: AsyncIterable<Uint8Array>, sink: Sink): Promise<HistoryHeader | null> {
  const name = "What the server sends";
  const check = createHistoryCheck(name, "beginning");
  for await (const lines of linesOf(chunks, name)) {
    for (const line of lines) check.take(line);
    if (!(await sink(lines))) return null;
  }
  check.end();
  return check.header;
}

/** Writes beside the file, and puts it in its place when all is there. A device or a pipe is written as it is. */
async function intoFile(
  file: string,
  read: (sink: Sink) => Promise<HistoryHeader | null>,
): Promise<HistoryHeader | null> {
  const there = await stat(file).catch(() => null);
  if (there?.isDirectory()) throw new CommandError(`${file} is a directory`, "Name a file in it");
  if (there && !there.isFile()) return writeTo(file, read);
  // What a link leads to is replaced, not the link.
  const target = there === null ? file : await realpath(file);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const header = await again(() => writeTo(temporary, read));
    await rename(temporary, target);
    return header;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeTo(
  path: string,
  read: (sink: Sink) => Promise<HistoryHeader | null>,
): Promise<HistoryHeader | null> {
  const handle = await open(path, "w", 0o600).catch(cannotWrite);
  try {
    const header = await read(async (lines) => {
      await handle.appendFile(`${lines.join("\n")}\n`).catch(cannotWrite);
      return true;
    });
    // Where there is nothing to be forced to a disk it is there already.
    await handle.sync().catch(() => {});
    return header;
  } finally {
    await handle.close();
  }
}

function cannotWrite(error: Error): never {
  throw new CannotWriteError(
    `The file cannot be written: ${error.message}`,
    "Name another, or make room there",
  );
}

class CannotWriteError extends CommandError {}

/** Begins anew where the server was lost on the way, or its log forgot events before they were read. */
async function again<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (error instanceof ServerRefusal || error instanceof CannotWriteError) throw error;
      if (attempt < ATTEMPTS) continue;
      throw new CommandError(
        `The history could not be read to its end: ${(error as Error).message}`,
        "Where the log forgets events faster than they are read, raise max_history_size for that time",
      );
    }
  }
}
