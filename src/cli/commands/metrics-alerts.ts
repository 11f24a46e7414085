import { alertRules } from "../monitoring/alerts.ts";
import { EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Print alert rules for Prometheus, as YAML",
  run() {
    print(alertRules().trimEnd());
    return EXIT.done;
  },
} satisfies Command;
