import { ask, type Endpoint } from "../../client/http.ts";
import { processEnv } from "../../config/env.ts";
import { displayUrl, schemeOf } from "../../protocol/hosts.ts";
import type { Session } from "../../protocol/messages.ts";
import { lastSegment, shortSession } from "../../sessions/names.ts";
import { browserCommands, openBrowser } from "../browser.ts";
import { textOf } from "../event-question.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { CommandError, EXIT, print, printError, printJson } from "../output.ts";
import { runningOrStartedServer } from "../reach.ts";
import type { Command } from "../tree.ts";
import { oneLine } from "../terminal-text.ts";

const MOST_CANDIDATES = 5;
const MOST_NEWEST = 3;

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
    const path = session === undefined ? "/" : `/#/session/${encode(await knownSession(server, session))}`;
    const url = displayUrl(new URL(server.url).hostname, portOf(server.url), schemeOf(server.url)) + path;
    if (args.json !== true) print(url);
    const opened = args.print !== true && (await open(url));
    if (args.json === true) printJson({ url, opened });
    return EXIT.done;
  },
} satisfies Command;

/** The id of the session that is called so, or the only one whose id begins so. */
async function knownSession(server: Endpoint, given: string): Promise<string> {
  const { text } = await ask(server, "/api/sessions?limit=1000", { timeoutMs: 5000 });
  const { sessions } = JSON.parse(text) as { sessions: Session[] };
  const ids = sessions.map(({ session_id: id }) => id);
  if (ids.includes(given)) return given;
  const start = given.toLowerCase();
  const candidates = ids.filter((id) => id.toLowerCase().startsWith(start));
  const [found, ...others] = candidates;
  if (found === undefined) {
    throw new CommandError(`The server knows no session ${oneLine(given)}`, newestOf(sessions));
  }
  if (others.length === 0) return found;
  throw new CommandError(
    `--session ${oneLine(given)} is the beginning of ${candidates.length} sessions`,
    `Write more of it: ${candidates.slice(0, MOST_CANDIDATES).map(oneLine).join(", ")}`,
  );
}

function newestOf(sessions: readonly Session[]): string {
  if (sessions.length === 0) return "It has none yet: open the dashboard without --session";
  const newest = sessions.slice(0, MOST_NEWEST).map(({ session_id: id, project }) => {
    return oneLine(`${shortSession(id)}${project === null ? "" : ` (${lastSegment(project)})`}`);
  });
  return `The newest are ${newest.join(", ")}`;
}

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
  return Number(new URL(url).port || (schemeOf(url) === "https" ? 443 : 80));
}

/** Quotes and parentheses too: a session's id may come from anybody, and browsers are often started by scripts. */
function encode(id: string): string {
  return encodeURIComponent(id).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
