/** How requests that bring events are answered, whatever form these have. */
import type { Context } from "hono";
import { EVERYTHING, type Grant } from "../../auth/access.ts";
import { CodedError } from "../../protocol/errors.ts";
import type { ServerContext } from "../context.ts";
import { readText } from "./body.ts";

/** A request that brings events. */
export interface Taken {
  text: string;
  /** Throws `rate_limited` when its sender may not send so many now; 0 asks whether any. */
  limit(count: number): void;
}

/** Reads a body and acts on it, while the server takes events; what is refused is counted. */
export async function takeEvents(
  c: Context,
  { grant, maxBytes }: { grant: Grant | null; maxBytes: number },
  context: ServerContext,
  act: (taken: Taken) => Promise<Response>,
): Promise<Response> {
  try {
    if (!context.isReady()) throw new CodedError("not_ready");
    const text = await readText(c.req.raw, maxBytes);
    const sender = () => senderOf(c, grant, context);
    return await act({ text, limit: (count) => context.limits.events(sender, count) });
  } catch (error) {
    if (error instanceof CodedError) context.hub.countError();
    throw error;
  }
}

/** Whose events a request brings: its token's, or where none is asked for, its address's. */
function senderOf(c: Context, grant: Grant | null, { addressOf }: ServerContext): string {
  const isKnown = grant !== null && grant !== EVERYTHING;
  // Tokens of one name are still several.
  return isKnown ? `token ${grant.id ?? grant.name}` : `address ${addressOf(c.req.raw)}`;
}
