import { allows, isScope, type Scope, SCOPES } from "../../auth/scopes.ts";
import { addToken } from "../../auth/token-file.ts";
import { asksForTokens } from "../../config/access.ts";
import { instancePorts, readInstance } from "../../daemon/instance.ts";
import { asksForToken } from "../../daemon/instance-text.ts";
import { turnOnInFile } from "../exposure.ts";
import { listOf, JSON_ARG } from "../flags.ts";
import { textOf } from "../event-question.ts";
import { parseDuration } from "../moment.ts";
import { CommandError, EXIT, print, printJson, table } from "../output.ts";
import { asOwner, prepare, TOKEN_PLACE_ARGS, type TokenPlace, tokenPlace } from "../token-place.ts";
import type { Command } from "../tree.ts";

const DEFAULT_SCOPES: Scope[] = ["publish", "subscribe"];
const MAX_NAME = 100;

export default {
  description: "Make an access token, and print it this once; running servers take it at once",
  args: {
    name: {
      type: "string",
      description: "What it is for, by which it is listed and revoked",
      valueHint: "NAME",
    },
    scope: {
      type: "string",
      description: `What it allows, several as a,b: ${SCOPES.join(", ")} (Default: ${DEFAULT_SCOPES.join(",")})`,
      valueHint: "LIST",
      repeatable: true,
    },
    expires: {
      type: "string",
      description: "How long it is good: 30d, 12h (Default: until it is revoked)",
      valueHint: "DURATION",
    },
    ...TOKEN_PLACE_ARGS,
    ...JSON_ARG,
  },
  async run({ args, rawArgs }) {
    const name = nameOf(textOf(args, "name") ?? "unnamed");
    const scopes = args.scope === undefined ? DEFAULT_SCOPES : scopesOf(listOf(rawArgs, "scope"));
    const expires = textOf(args, "expires");
    const expiresAt = expires === undefined ? null : endOf(expires);
    const place = tokenPlace(args, rawArgs);
    const { token, record } = await asOwner(place, () => {
      prepare(place, args.mode);
      return addToken(place.path, { name, scopes, expiresAt });
    });
    const { id, created_at, expires_at } = record;
    if (args.json === true) {
      printJson({ token, id, name, scopes, created_at, expires_at, state_dir: place.stateDir });
      return EXIT.done;
    }
    print(token);
    print(
      table([
        ["  allows", scopes.join(", ")],
        ["  expires", expires_at ?? "never"],
        ["  name", name],
        ["  id", id],
        ["  for", `servers that keep their state in ${place.stateDir}`],
      ]),
    );
    print("It cannot be shown again. Send it as `Authorization: Bearer TOKEN`,");
    if (allows(scopes, "subscribe")) print("as `auth: {token}` in a Socket.IO handshake,");
    print("or give it to this program: CLAUDE_MPM_SOCKETIO_TOKEN=TOKEN");
    if (!allows(scopes, "subscribe")) print("It is not for Socket.IO, which asks for the scope `subscribe`.");
    print(`To take it back: claude-mpm-socketio token revoke ${id}`);
    if (!isAskedFor(place, args.mode)) print(`No server asks for it yet: ${turnOnInFile(place.file)}`);
    return EXIT.done;
  },
} satisfies Command;

/** By the servers that run from there, or else by one with this configuration; what a service has, only it knows. */
function isAskedFor({ stateDir, values }: TokenPlace, mode: string | boolean | undefined): boolean {
  const instances = instancePorts(stateDir).flatMap((port) => {
    const file = readInstance(stateDir, port);
    return file.found === "instance" ? [file.instance] : [];
  });
  if (instances.length > 0) return instances.some(asksForToken);
  return mode !== undefined || asksForTokens(values);
}

function nameOf(name: string): string {
  // oxlint-disable-next-line no-control-regex
  if (name.length <= MAX_NAME && !/[\u0000-\u001F\u007F-\u009F]/.test(name)) return name;
  throw new CommandError(
    "--name is too long, or has control characters",
    `Write up to ${MAX_NAME} characters on one line`,
    EXIT.usage,
  );
}

function scopesOf(names: readonly string[]): Scope[] {
  const unknown = names.find((name) => !isScope(name));
  if (names.length > 0 && unknown === undefined) return SCOPES.filter((scope) => names.includes(scope));
  throw new CommandError(
    unknown === undefined ? "--scope needs a value" : `There is no scope "${unknown}"`,
    `Write --scope with one or more of ${SCOPES.join(",")}`,
    EXIT.usage,
  );
}

function endOf(expires: string): number {
  const duration = parseDuration(expires);
  const end = new Date(Date.now() + (duration ?? Number.NaN));
  if (duration !== null && duration > 0 && end.getUTCFullYear() < 10_000) return end.getTime();
  throw new CommandError(
    `--expires ${expires} is no duration`,
    "Write, for example, --expires 30d",
    EXIT.usage,
  );
}
