/** A story as it was told at an earlier moment, and how a replay gets from one moment to the next. */
import type { Lane, Span, Story } from "../../../sessions/story.ts";
import { countFiles, countTools } from "../../../sessions/tables.ts";
import type * as wire from "../../../protocol/messages.ts";
import type { Interval } from "./time-axis.ts";

/** What has not happened yet is not in it, and what has not ended is open. Lanes stay where they are. */
export function storyAt(story: Story, moment: number, session: wire.Session | null): Story {
  const states = new Map(session?.agents.map(({ agent_id: id, state }) => [id, state]));
  const spanAt = (span: Span): Span[] => {
    if (span.startedAt > moment) return [];
    if (span.endedAt === null || span.endedAt <= moment) return [span];
    return [{ ...span, endedAt: null, endSeq: null, durationMs: null, outcome: null, message: null }];
  };
  const lanes = story.lanes.map((lane): Lane => {
    const endedAt = lane.endedAt !== null && lane.endedAt > moment ? null : lane.endedAt;
    const state = states.get(lane.agentId) ?? lane.state;
    return { ...lane, endedAt, state, spans: lane.spans.flatMap(spanAt) };
  });
  const spans = lanes.flatMap((lane) => lane.spans).toSorted((a, b) => a.startedAt - b.startedAt);
  const waits = story.waits
    .filter(({ from }) => from <= moment)
    .map((wait) => (wait.to !== null && wait.to > moment ? { ...wait, to: null } : wait));
  return {
    from: story.from,
    to: moment,
    lanes,
    waits,
    marks: story.marks.filter(({ time }) => time <= moment),
    tools: countTools(spans),
    files: countFiles(spans, lanes),
  };
}

/** Times in which nothing is done are jumped over, given in order. */
export function advance(
  moment: number,
  elapsedMs: number,
  skipped: readonly Interval[],
  end: number,
): number {
  let next = moment + elapsedMs;
  let from = moment;
  for (const gap of skipped) {
    if (gap.to <= from || gap.from > next) continue;
    next = gap.to + Math.max(0, next - Math.max(gap.from, from));
    from = gap.to;
  }
  return Math.min(next, end);
}
