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
    const base = displayUrl(new URL(server.url).hostname, portOf(server.url), schemeOf(server.url));
    const link = base + (await withCode(server, path));
    const commands =
      args.print === true ? [] : browserCommands(link, { platform: process.platform, env: processEnv() });
    // What goes into a browser once is of no use to anybody who reads it here.
    const url = commands.length > 0 ? base + path : link;
    if (args.json !== true) print(url);
    if (url !== base + path) printError("The address logs in once, within a minute");
    if (args.print !== true && commands.length === 0) explainNoDisplay(base);
    if (commands.length > 0) await open(commands, link);
    if (args.json === true) printJson({ url, opened: commands.length > 0 });
    return EXIT.done;
  },
} satisfies Command;

/** What the path has to be for a page that has to log in: with a code that is good once, and for a minute. */
async function withCode(server: Endpoint, path: string): Promise<string> {
  if (server.token === null) return path;
  const { status, text } = await ask(server, "/api/admin/login-link", { method: "POST", timeoutMs: 5000 });
  // Of a token that may not, or a server that asks for none, the page says the rest.
  if (status !== 200) return path;
  const { code } = JSON.parse(text) as { code: string };
  return path.replace("/", `/?token=${code}`);
}

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

function explainNoDisplay(url: string): void {
  const port = portOf(url);
  printError("There is no display here to open a browser on: open the address where there is one");
  printError(
    `From another machine it is reached through: ssh -L ${port}:${new URL(url).hostname}:${port} HOST`,
  );
}

async function open(commands: readonly string[][], url: string): Promise<void> {
  const failure = await openBrowser(commands);
  if (failure === null) return;
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
