import { fieldOf, KEYS } from "../../config/schema.ts";
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
      };
    });
    if (args.json === true) {
      const byKey = shown.map(({ key, value, origin }) => [
        key,
        { value, origin: origin.kind, source: origin.source },
      ]);
      printJson({ environment, file, values: Object.fromEntries(byKey), warnings });
      return EXIT.done;
    }
    print(`environment ${environment.value}, ${environment.because}`);
    print(`file        ${file ?? "none"}\n`);
    print(
      table(
        shown.map(({ key, value, origin, computed }) => {
          return [key, computed ? `(${computed})` : JSON.stringify(value), origin.source];
        }),
      ),
    );
    return EXIT.done;
  },
} satisfies Command;

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
