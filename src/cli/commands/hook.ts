import { runHook } from "../../hooks/hook.ts";
import { EXIT } from "../output.ts";
import type { Command } from "../tree.ts";
import { SERVER_ARGS } from "../flags.ts";

/** For `--help`: the entry itself runs `hook`, without loading this. */
export default {
  description: "Deliver the Claude Code hook given on standard input; prints nothing and always exits 0",
  args: SERVER_ARGS,
  async run({ rawArgs }) {
    await runHook(rawArgs);
    return EXIT.done;
  },
} satisfies Command;
