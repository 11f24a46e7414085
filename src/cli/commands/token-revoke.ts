import { removeTokens } from "../../auth/token-file.ts";
import { textOf } from "../event-question.ts";
import { JSON_ARG, loadInNeed } from "../flags.ts";
import { CommandError, EXIT, print, printJson } from "../output.ts";
import { asOwner, TOKEN_PLACE_ARGS, tokenPlace } from "../token-place.ts";
import { oneLine } from "../terminal-text.ts";
import type { Command } from "../tree.ts";

export default {
  description:
    "Take access tokens back; refused within a quarter of a second, and what they have opened is closed within two",
  args: {
    token: {
      type: "positional",
      description: "The token's id, or the name of one or more, as list shows them",
      required: false,
      valueHint: "ID",
    },
    ...TOKEN_PLACE_ARGS,
    ...JSON_ARG,
  },
  async run({ args, rawArgs }) {
    const named = textOf(args, "token");
    if (named === undefined) {
      throw new CommandError(
        "Which token is missing",
        "Write token revoke ID; token list shows them",
        EXIT.usage,
      );
    }
    const place = tokenPlace(args, rawArgs, loadInNeed);
    const removed = await asOwner(place, () => removeTokens(place.path, named));
    if (removed.length === 0) {
      throw new CommandError(
        `No token in ${place.path} is called ${oneLine(named)}`,
        "See those there are: claude-mpm-socketio token list",
      );
    }
    const revoked = removed.map(({ id, name }) => ({ id, name }));
    if (args.json === true) printJson({ state_dir: place.stateDir, revoked });
    else {
      const came = removed.some(({ parent }) => parent !== undefined)
        ? ", or came from a link of one that had"
        : "";
      if (removed.length > 1) print(`${removed.length} tokens had this name${came}:`);
      for (const { id, name } of removed) print(`Revoked: ${id} (${oneLine(name)})`);
    }
    return EXIT.done;
  },
} satisfies Command;
