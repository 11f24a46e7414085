import { expect, test } from "bun:test";
import type { Fields, Logger } from "../../src/logging.ts";
import { CodedError } from "../../src/protocol/errors.ts";
import { createRefusals } from "../../src/server/refusals.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

function setUp() {
  const lines: { level: string; message: string; fields: Fields | undefined }[] = [];
  const say = (level: string) => (message: string, fields?: Fields) =>
    void lines.push({ level, message, fields });
  const logger: Logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  const refusals = createRefusals(logger, 50);
  onEnd(() => refusals.close());
  return { lines, ...refusals };
}

test("each is counted by code; the first of a burst is said at once, the others together, and then a new burst begins", async () => {
  const { lines, note, counts } = setUp();
  const limited = new CodedError("rate_limited");
  for (let n = 0; n < 100; n += 1) note(limited, { sid: `s${n}` });
  note(new CodedError("not_found"), { path: "/x" });
  expect(counts()).toEqual({ rate_limited: 100, not_found: 1 });
  expect(lines).toEqual([
    { level: "warn", message: "refused", fields: { code: "rate_limited", sid: "s0" } },
    { level: "debug", message: "refused", fields: { code: "not_found", path: "/x" } },
  ]);
  await eventually(() => lines.length === 3);
  expect(lines[2]).toEqual({
    level: "warn",
    message: "refused more of the same",
    fields: { code: "rate_limited", more: 99, seconds: 0.05 },
  });
  // The burst ends in silence.
  await eventually(async () => {
    await Bun.sleep(150);
    note(limited, { sid: "again" });
    return lines.at(-1)?.fields?.sid === "again";
  });
});
