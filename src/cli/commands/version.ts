import { LOG_VERSION } from "../../log/version.ts";
import { COMPATIBILITY_MATRIX } from "../../protocol/compatibility.ts";
import { BUN_VERSION, RELEASE_VERSION, SERVER_VERSION, SOCKETIO_VERSION } from "../../version.ts";
import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson, table } from "../output.ts";
import type { Command } from "../tree.ts";

export default {
  description: "Show the versions of everything; --version alone prints the bare release version",
  args: JSON_ARG,
  run({ args }) {
    const range = COMPATIBILITY_MATRIX[SERVER_VERSION]?.claude_mpm_versions ?? [];
    if (args.json === true) {
      printJson({
        version: RELEASE_VERSION,
        server_version: SERVER_VERSION,
        socketio_version: SOCKETIO_VERSION,
        bun_version: BUN_VERSION,
        log_version: LOG_VERSION,
        claude_mpm_versions: range,
      });
      return EXIT.done;
    }
    print(
      table([
        ["claude-mpm-socketio", RELEASE_VERSION],
        ["server", SERVER_VERSION],
        ["Socket.IO", SOCKETIO_VERSION],
        ["Bun", BUN_VERSION],
        ["claude-mpm", range.join(", ")],
      ]),
    );
    return EXIT.done;
  },
} satisfies Command;
