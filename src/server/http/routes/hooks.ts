import { CodedError } from "../../../protocol/errors.ts";
import { isObject } from "../../../protocol/event.ts";
import { hookEvent } from "../../../protocol/hook-event.ts";
import { isPayload, rawPayload } from "../../../protocol/hook-payload.ts";
import { shortenToFit } from "../../../protocol/shorten.ts";
import type { ServerContext } from "../../context.ts";
import { parseJson } from "../body.ts";
import { takeEvents } from "../taking.ts";
import type { Route, RouteDoc } from "../route.ts";

/** As much as `hook` reads. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const TAKE: RouteDoc = {
  group: "Events",
  summary: "Take a hook of Claude Code as it is",
  description:
    "For Claude Code's own `http` hooks. What is too long for an event is shortened; the answer has no body, for that would be read as a decision.",
  body: {
    description: "What Claude Code gives its hooks.",
    maxBytes: MAX_BODY_BYTES,
    content: {
      "application/json": {
        schema: { type: "object" },
        example: { hook_event_name: "Stop", session_id: "8d7c2f6e", cwd: "/home/me/app" },
      },
    },
  },
  answers: { 204: { description: "It is stored." } },
  errors: [
    "invalid_json",
    "invalid_hook",
    "invalid_event",
    "body_too_large",
    "encoding_unsupported",
    "rate_limited",
    "not_ready",
    "overloaded",
    "log_unavailable",
  ],
};

/** Claude Code's own `http` hooks: the payload comes as it is, and any answer with a body would be read as a decision. */
export function hookRoutes(context: ServerContext): Route[] {
  const { hub } = context;
  return [
    {
      method: "POST",
      path: "/api/hooks/claude",
      access: "publish",
      doc: TAKE,
      handle: (c, grant) =>
        takeEvents(c, { grant, maxBytes: MAX_BODY_BYTES }, context, async ({ text, limit }) => {
          limit(1);
          const value = parseJson(text);
          if (!isObject(value)) throw new CodedError("invalid_hook");
          // Nested too deeply for an event: kept as `hook` keeps it.
          const payload = isPayload(value) ? value : rawPayload(text);
          const event = shortenToFit(hookEvent(payload, Date.now()), context.maxEventBytes);
          await hub.publish(event, undefined, "hook");
          return c.body(null, 204);
        }),
    },
  ];
}
