import { readTokens, type TokenRecord } from "../../auth/token-file.ts";
import { JSON_ARG, loadInNeed } from "../flags.ts";
import { EXIT, print, printJson, style, table } from "../output.ts";
import { asOwner, TOKEN_PLACE_ARGS, tokenPlace } from "../token-place.ts";
import { oneLine } from "../terminal-text.ts";
import type { Command } from "../tree.ts";

export default {
  description: "List the access tokens: what they allow and until when, never the tokens themselves",
  args: { ...TOKEN_PLACE_ARGS, ...JSON_ARG },
  async run({ args, rawArgs }) {
    const place = tokenPlace(args, rawArgs, loadInNeed);
    const records = await asOwner(place, () => readTokens(place.path));
    if (args.json === true) {
      const tokens = records.map(({ hash: _hash, ...record }) => ({ ...record, expired: isExpired(record) }));
      printJson({ state_dir: place.stateDir, tokens });
    } else if (records.length === 0) print(`No tokens are made for the servers of ${place.stateDir}`);
    else {
      const hasOrigins = records.some(({ origin }) => origin !== undefined);
      const head = ["id", "name", "allows", "created", "expires", ...(hasOrigins ? ["by a link of"] : [])];
      const rows = records.map((record) => [...rowOf(record), ...(hasOrigins ? [originOf(record)] : [])]);
      print(table([head, ...rows]));
    }
    return EXIT.done;
  },
} satisfies Command;

function rowOf(record: TokenRecord): string[] {
  const { id, name, scopes, created_at, expires_at } = record;
  const end = expires_at ?? "never";
  return [
    id,
    oneLine(name),
    scopes.join(","),
    created_at,
    isExpired(record) ? style(`expired ${end}`, "yellow") : end,
  ];
}

function originOf({ origin, parent }: TokenRecord): string {
  if (origin === undefined) return "-";
  return parent === undefined ? oneLine(origin) : `${oneLine(origin)} (${parent})`;
}

function isExpired({ expires_at }: Pick<TokenRecord, "expires_at">): boolean {
  return expires_at !== null && Date.parse(expires_at) <= Date.now();
}
