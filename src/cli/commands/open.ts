import { processEnv } from "../../config/env.ts";
import { displayUrl } from "../../protocol/hosts.ts";
import { browserCommands, openBrowser } from "../browser.ts";
import { fullSession, textOf } from "../event-question.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { runningOrStartedServer } from "../reach.ts";
import type { Command } from "../root.ts";

export default {
  description: "Open the dashboard in the browser, and print its address; starts a server when none runs",
  args: {
    session: {
      type: "string",
      description: "Show this session: its id, or as much of it as the lines of tail and history show",
      valueHint: "ID",
    },
    print: { type: "boolean", description: "Only print the address" },
    ...JSON_ARG,
    ...SERVER_ARGS,
  },
  async run({ args, rawArgs }) {
    const session = textOf(args, "session");
    const server = await runningOrStartedServer(loadForCommand(rawArgs), rawArgs);
    const path = session === undefined ? "/" : `/#/session/${encode(await fullSession(server, session))}`;
    const url = displayUrl(new URL(server).hostname, portOf(server)) + path;
    if (args.json !== true) print(url);
    const opened = args.print !== true && (await open(url));
    if (args.json === true) printJson({ url, opened });
    return EXIT.done;
  },
} satisfies Command;

/** False where there is no display. */
async function open(url: string): Promise<boolean> {
  const commands = browserCommands(url, { platform: process.platform, env: processEnv() });
  if (commands.length === 0) {
    const port = portOf(url);
    printError("There is no display here to open a browser on: open the address where there is one");
    printError(
      `From another machine it is reached through: ssh -L ${port}:${new URL(url).hostname}:${port} HOST`,
    );
    return false;
  }
  const failure = await openBrowser(commands);
  if (failure === null) return true;
  throw new CommandError(
    `No browser opened: ${failure}`,
    `Open ${url} yourself, or name a browser in the variable BROWSER`,
  );
}

/** A URL leaves out the port that is its scheme's own. */
function portOf(url: string): number {
  return Number(new URL(url).port || 80);
}

/** Quotes and parentheses too: a session's id may come from anybody, and browsers are often started by scripts. */
function encode(id: string): string {
  return encodeURIComponent(id).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
