/** Asks before something is done that cannot be undone. */
import { once } from "node:events";
import { CommandError, EXIT } from "./output.ts";

/**
 * True when whoever sits at the terminal says yes. Throws a usage error where nobody can be asked.
 *
 * @param question one line, without its mark
 */
export async function confirm(question: string): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    throw new CommandError(`${question}? Nobody is there to be asked`, "Write --yes to do it", EXIT.usage);
  }
  stderr.write(`${question}? [y/N] `);
  // What is typed comes as a line; the end of the input is a no.
  const answer = await Promise.race([
    once(stdin, "data").then(([chunk]) => String(chunk)),
    once(stdin, "end").then(() => ""),
  ]);
  stdin.pause();
  return /^y(es)?$/i.test(answer.trim());
}
