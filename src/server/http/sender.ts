/** Whose events a request brings: its token's, or where none is asked for, its address's. */
import type { Context } from "hono";
import { EVERYTHING, type Grant } from "../../auth/access.ts";
import type { ServerContext } from "../context.ts";

export function senderOf(c: Context, grant: Grant | null, { addressOf }: ServerContext): string {
  const isKnown = grant !== null && grant !== EVERYTHING;
  return isKnown ? `token ${grant.name}` : `address ${addressOf(c.req.raw)}`;
}
