import { uninstallHooks } from "../../hooks/settings/install.ts";
import { settingsPath } from "../../hooks/settings/scopes.ts";
import { JSON_ARG } from "../flags.ts";
import { EXIT, print, printJson } from "../output.ts";
import type { Command } from "../tree.ts";
import { SCOPE_ARG, scopeOf, surroundings } from "../scope.ts";

export default {
  description:
    "Take the hook out of Claude Code's settings again; the file becomes what it was, save what others have edited since",
  args: { ...SCOPE_ARG, ...JSON_ARG },
  run({ args }) {
    const scope = scopeOf(args);
    const around = surroundings();
    const removal = uninstallHooks(settingsPath(scope, around), around.platform);
    const { path, events, removedFile } = removal;
    if (args.json === true) printJson({ scope, changed: events.length > 0, ...removal });
    else if (events.length === 0) print(`No hook of ours is registered in ${path}; nothing was changed`);
    else if (removedFile) print(`Removed ${path}, which held nothing but the hook`);
    else print(`Took the hook out of ${path}, where it was registered for ${events.length} events`);
    return EXIT.done;
  },
} satisfies Command;
