import type { SessionWait } from "../../protocol/messages.ts";
import { Since } from "./since.tsx";
import { oneLine } from "./text.ts";

interface WaitingProps {
  wait: SessionWait;
  /** Said where it is given; such a line is read out as soon as it is there, which a list of many must not be. */
  since?: string;
}

/** What a session waits for. */
export function Waiting({ wait: { tool, kind, message }, since }: WaitingProps) {
  const asked = kind === "permission" ? "asks for permission" : "asks you";
  return (
    <p class="waiting" role={since === undefined ? undefined : "status"}>
      <strong>
        {tool === null ? "Claude" : oneLine(tool)} {asked}
        {since !== undefined && (
          <>
            , for <Since time={since} />
          </>
        )}
      </strong>
      {message !== null && message !== "" && <span>{oneLine(message)}</span>}
    </p>
  );
}
