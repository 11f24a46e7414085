import type { SessionOpenTool } from "../../../protocol/messages.ts";
import { Since } from "../../parts/since.tsx";
import { oneLine } from "../../parts/text.ts";
import { count } from "../../parts/words.ts";

const MAX_OPEN = 4;

/** What is being done right now. */
export function OpenTools({ tools }: { tools: readonly SessionOpenTool[] }) {
  if (tools.length === 0) return null;
  return (
    <ul class="open-tools">
      {tools.slice(-MAX_OPEN).map((call) => (
        <li key={call.tool_use_id}>
          <b>{oneLine(call.tool)}</b> <code>{oneLine(call.argument)}</code> <Since time={call.started_at} />
        </li>
      ))}
      {tools.length > MAX_OPEN && <li class="muted">and {count(tools.length - MAX_OPEN, "other")}</li>}
    </ul>
  );
}
