/** How to run this very program again. */
import { IS_COMPILED } from "../version.ts";

/** The executable, and from a checkout its entry file too: in a compiled binary `argv[1]` names no real file. */
export function selfCommand(): string[] {
  return IS_COMPILED ? [process.execPath] : [process.execPath, Bun.main];
}
