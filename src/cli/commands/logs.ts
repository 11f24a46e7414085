import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { readInstance } from "../../daemon/instance.ts";
import { SYSTEM_LOG_FILE } from "../../service/systemd.ts";
import { JSON_ARG, loadInNeed, SERVER_ARGS, wholeNumber } from "../flags.ts";
import { logFileOf } from "../log-file.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";

const POLL_MS = 200;
const CHUNK_BYTES = 64 * 1024;

export default {
  description: "Show the server's log, also of a server that is down",
  args: {
    ...SERVER_ARGS,
    ...JSON_ARG,
    lines: {
      type: "string",
      alias: "n",
      description: "How many of the last lines",
      valueHint: "N",
      default: "50",
    },
    follow: { type: "boolean", alias: "f", description: "Go on as lines are written" },
  },
  async run({ args, rawArgs }) {
    const { values } = loadInNeed(rawArgs);
    const count = wholeNumber(String(args.lines), "-n");
    const file = readInstance(values.state_dir, values.port);
    const path = logFileOf(file.found === "instance" ? file.instance : null, values);
    if (!existsSync(path)) {
      throw new CommandError(
        `There is no log at ${path}`,
        existsSync(SYSTEM_LOG_FILE)
          ? `The machine's service has one: claude-mpm-socketio logs --set log_file_path=${SYSTEM_LOG_FILE}`
          : "A server in the background writes one: claude-mpm-socketio start",
      );
    }
    const { text, end } = lastLines(path, count);
    if (args.json === true) printJson({ path, lines: text === "" ? [] : text.split("\n") });
    else if (text !== "" && !print(text)) return EXIT.done;
    if (args.follow === true && args.json !== true) await follow(path, end);
    return EXIT.done;
  },
} satisfies Command;

/** The last lines, read backwards so that a large file costs no more than its end. */
function lastLines(path: string, count: number): { text: string; end: number } {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const chunks: Buffer[] = [];
    let start = size;
    let newlines = 0;
    while (start > 0 && newlines <= count) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, start));
      start -= chunk.length;
      readSync(descriptor, chunk, 0, chunk.length, start);
      newlines += chunk.filter((byte) => byte === 0x0a).length;
      chunks.unshift(chunk);
    }
    const lines = Buffer.concat(chunks).toString("utf8").replace(/\n$/, "").split("\n");
    return { text: count === 0 ? "" : lines.slice(-count).join("\n"), end: size };
  } finally {
    closeSync(descriptor);
  }
}

/** Prints what is appended until the process is interrupted; a file that was rotated away is read anew. */
async function follow(path: string, from: number): Promise<void> {
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => (interrupted = true));
  let position = from;
  let inode = statSync(path).ino;
  while (!interrupted) {
    try {
      const now = statSync(path);
      if (now.ino !== inode || now.size < position) [inode, position] = [now.ino, 0];
      if (now.size > position) {
        const text = await Bun.file(path).slice(position, now.size).text();
        position = now.size;
        if (!print(text.replace(/\n$/, ""))) return;
      }
    } catch {
      // Between two files of a rotation.
    }
    await Bun.sleep(POLL_MS);
  }
}
