import { jsonSchema } from "../../config/documents.ts";
import { EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Print the JSON Schema of the configuration file",
  run() {
    print(JSON.stringify(jsonSchema(), null, 2));
    return EXIT.done;
  },
} satisfies Command;
