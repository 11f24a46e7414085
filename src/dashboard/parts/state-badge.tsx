import type { SessionState } from "../../protocol/messages.ts";
import { Since } from "./since.tsx";
import { STATE_WORDS } from "./words.ts";

/** A session's state, and for how long it has been in it; said in words, for colours are not seen by everybody. */
export function StateBadge({ state, since }: { state: SessionState; since?: string }) {
  return (
    <span class={`badge state-${state}`}>
      <span class="dot" aria-hidden="true" />
      {STATE_WORDS[state]}
      {since !== undefined && (
        <>
          {" "}
          <Since time={since} />
        </>
      )}
    </span>
  );
}
