/** What looking for secrets costs: the server's CPU for each event that comes in, beside `redact=false`. */
import type { JsonObject } from "../../src/protocol/event.ts";
import { agentEvents, take } from "../support/agent-events.ts";
import { BATCH, EVENT, post } from "./ingest.ts";
import { median } from "./measure.ts";
import { startSubject } from "./subjects.ts";

/** Two runs of the same differ by a tenth, as much as is looked for: hence more and longer ones than elsewhere. */
const ROUNDS = 8;
const SECONDS = 4;
const CONNECTIONS = 16;
const AT_MOST = 1.1;
/** Of a hundred events that Claude Code's hooks sent, so many held a word such as this one has: they are gone through in full. */
const SUSPECTS = 3;
const SUSPECT = {
  type: "hook.user_prompt_submit",
  session_id: "s0-0000-4000-8000-000000000000",
  cwd: "/home/dev/app-0",
  data: {
    hook_event_name: "UserPromptSubmit",
    prompt: `<task-notification>\n<status>completed</status>\n<result>${"It is done as it was asked for. ".repeat(20)}</result>\n<usage><subagent_tokens>11612</subagent_tokens></usage>\n</task-notification>`,
  },
};

const LOADS: Record<string, JsonObject[]> = {
  "single events": [EVENT],
  [`batches of ${BATCH}`]: Array.from({ length: BATCH }, () => EVENT),
  [`batches of ${BATCH} as agents send them`]: [
    ...take(agentEvents(4), BATCH - SUSPECTS),
    ...Array.from({ length: SUSPECTS }, () => SUSPECT),
  ],
};

const SETTINGS = { masked: [], plain: ["--set", "redact=false"] };
type Mode = keyof typeof SETTINGS;

/** Microseconds of server CPU for each event. */
export interface RedactionFigure extends Record<Mode, number> {
  load: string;
}

export async function benchRedaction(say: (text: string) => void): Promise<RedactionFigure[]> {
  if (!Bun.which("wrk")) {
    say("left out: the cost of redaction, which wants wrk (Debian: apt-get install wrk)");
    return [];
  }
  const figures: RedactionFigure[] = [];
  for (const [load, events] of Object.entries(LOADS)) {
    const costs: Record<Mode, number[]> = { masked: [], plain: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each is first as often as the other, should what goes before be felt.
      const modes: Mode[] = round % 2 === 0 ? ["masked", "plain"] : ["plain", "masked"];
      for (const mode of modes) costs[mode].push(await cost(mode, events));
    }
    const [masked, plain] = [median(costs.masked), median(costs.plain)];
    figures.push({ load, masked, plain });
    const size = Math.round(JSON.stringify(events).length / events.length);
    say(
      `${load.padEnd(34)} of ${size} characters: ${masked.toFixed(2)} µs of CPU for each event, ${(masked / plain).toFixed(2)}× redact=false (${plain.toFixed(2)} µs; at most ${AT_MOST.toFixed(2)})`,
    );
  }
  return figures;
}

async function cost(mode: Mode, events: JsonObject[]): Promise<number> {
  const subject = await startSubject("this server", { settings: SETTINGS[mode] });
  try {
    const [only, ...others] = events;
    const body = others.length === 0 ? (only as JsonObject) : events;
    const { requests, cpu } = await post(subject, CONNECTIONS, body, SECONDS);
    return (cpu / requests / events.length) * 1e6;
  } finally {
    subject.stop();
  }
}
