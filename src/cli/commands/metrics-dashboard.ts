import { grafanaDashboard } from "../monitoring/dashboard.ts";
import { EXIT, print } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Print a dashboard for Grafana, as JSON to import",
  run() {
    print(JSON.stringify(grafanaDashboard(), null, 2));
    return EXIT.done;
  },
} satisfies Command;
