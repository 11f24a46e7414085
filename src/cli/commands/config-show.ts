import { asksForTokens, reasonOfAccess } from "../../config/access.ts";
import { type Config, fieldOf, KEYS } from "../../config/schema.ts";
import { JSON_ARG, loadForCommand, SERVER_ARGS } from "../flags.ts";
import { EXIT, print, printJson, table } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Show the effective values and where each comes from",
  args: { ...SERVER_ARGS, ...JSON_ARG },
  run({ args, rawArgs }) {
    const { values, origins, environment, file, warnings } = loadForCommand(rawArgs);
    const shown = KEYS.map((key) => {
      const { secret, computed } = fieldOf(key);
      const value = values[key];
      const masked = secret && value !== null ? "(secret)" : value;
      return {
        key,
        value: masked,
        origin: origins[key],
        computed: value === null || isEmptyList(value) ? computed : undefined,
        ...(key === "auth" ? effectOf(values) : {}),
      };
    });
    if (args.json === true) {
      const byKey = shown.map(({ key, value, origin, effective, because }) => [
        key,
        {
          value,
          ...(effective === undefined ? {} : { effective, because }),
          origin: origin.kind,
          source: origin.source,
        },
      ]);
      printJson({ environment, file, values: Object.fromEntries(byKey), warnings });
      return EXIT.done;
    }
    print(`environment ${environment.value}, ${environment.because}`);
    print(`file        ${file ?? "none"}\n`);
    print(
      table(
        shown.map(({ key, value, origin, computed, effective, because }) => {
          const effect = effective === undefined ? "" : ` (${effective}: ${because})`;
          return [key, computed ? `(${computed})` : JSON.stringify(value) + effect, origin.source];
        }),
      ),
    );
    return EXIT.done;
  },
} satisfies Command;

/** What a server does of it, where that hangs on something else. */
function effectOf(values: Config): { effective?: string; because?: string } {
  if (values.auth !== "auto") return {};
  return { effective: asksForTokens(values) ? "on" : "off", because: reasonOfAccess(values) };
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
