/** One agent of a timeline. */
import type { Lane, Mark, Span, WaitSpan } from "../../../sessions/story.ts";
import { oneLine } from "../../parts/text.ts";
import { age, count, STATE_WORDS } from "../../parts/words.ts";
import {
  callTitle,
  callWords,
  clusterWords,
  laneName,
  MARK_SIGNS,
  markWords,
  outcomeOf,
  shortAgent,
  waitWords,
} from "./call-words.ts";
import { type Box, callKey, layBoxes, layMarks, markKey, waitKey } from "./layout.ts";
import type { Scale } from "./time-axis.ts";

interface LaneRowProps {
  lane: Lane;
  waits: readonly WaitSpan[];
  marks: readonly Mark[];
  scale: Scale;
  now: number;
  project: string | null;
  selected: number | null;
  /** What Tab goes to, by its key. */
  tabStop: string | null;
  onSelect: (seq: number | null) => void;
  onZoom: (spans: readonly Span[]) => void;
}

/** Pixels. */
const PAD = 5;
const MARK_STRIP = 20;
const MIN_HEIGHT = 38;
const AWAY_HEIGHT = 22;
/** The more calls are open at once, the lower are their bars. */
const ROW_HEIGHTS: readonly [upTo: number, height: number][] = [
  [5, 22],
  [10, 15],
  [Infinity, 9],
];
/** A bar narrower than this has no room for words. */
const TEXT_WIDTH = 24;

export function LaneRow(props: LaneRowProps) {
  const { lane, waits, marks, scale, now, project, selected, tabStop, onSelect, onZoom } = props;
  const rowHeight = (ROW_HEIGHTS.find(([upTo]) => lane.rows <= upTo) ?? [0, 22])[1];
  const strip = lane.agentId === null ? MARK_STRIP : 0;
  // Whoever is at nothing in the time that is seen takes no more room than a name does.
  const isAway = strip === 0 && (lane.startedAt > scale.to || (lane.endedAt ?? now) < scale.from);
  const height = isAway ? AWAY_HEIGHT : Math.max(MIN_HEIGHT, strip + lane.rows * rowHeight + 2 * PAD);
  // What is not as high as its label stands in the middle of it.
  const top = strip + PAD + Math.max(0, (height - strip - 2 * PAD - lane.rows * rowHeight) / 2);
  const hasBegun = lane.startedAt <= now;
  const asked = new Set(waits.filter(({ to }) => to === null).map(({ toolUseId }) => toolUseId));

  return (
    <div class={`lane state-${lane.state}${hasBegun ? "" : " lane-future"}${isAway ? " lane-away" : ""}`}>
      <LaneLabel lane={lane} hasBegun={hasBegun} />
      <div class="lane-plot" style={{ height: `${height}px` }}>
        {hasBegun && <Life lane={lane} scale={scale} now={now} />}
        {waits.map((wait) => (
          <Wait
            key={wait.seq}
            wait={wait}
            scale={scale}
            now={now}
            selected={selected}
            tabStop={tabStop}
            onSelect={onSelect}
          />
        ))}
        {layBoxes(lane.spans, scale, now).map((box) => (
          <Bar
            key={`${box.row} ${box.spans[0]?.seq}`}
            box={box}
            top={top + box.row * rowHeight}
            height={rowHeight - 2}
            project={project}
            now={now}
            isAsked={box.spans.some(({ toolUseId }) => toolUseId !== null && asked.has(toolUseId))}
            selected={selected}
            tabStop={tabStop}
            onSelect={onSelect}
            onZoom={onZoom}
          />
        ))}
        {layMarks(marks, scale).map(({ kind, marks: group, x }) => {
          const [sign] = MARK_SIGNS[kind];
          const chosen = group.find((mark) => mark.kind === kind) ?? group[0];
          const words = group.map(markWords).join("\n");
          return (
            <button
              key={chosen?.seq}
              type="button"
              class={`mark mark-${kind}`}
              tabIndex={group.some((mark) => markKey(mark) === tabStop) ? 0 : -1}
              data-keys={group.map(markKey).join(" ")}
              style={{ transform: `translateX(${x}px)` }}
              aria-label={words}
              aria-pressed={group.some(({ seq }) => seq === selected)}
              title={words}
              onClick={() => onSelect(chosen?.seq ?? null)}
            >
              <span aria-hidden="true">{sign}</span>
            </button>
          );
        })}
      </div>
    </div>
  );
}

function LaneLabel({ lane, hasBegun }: { lane: Lane; hasBegun: boolean }) {
  const { agentId, task, state, depth, spans } = lane;
  const failed = spans.filter(({ outcome }) => outcome === "failure").length;
  const name = laneName(lane);
  const does = oneLine(task.replace(/^[^:]*: /, ""));
  return (
    <div class="lane-label" style={{ paddingLeft: `${0.5 + Math.min(depth, 6) * 0.875}rem` }}>
      <div class={`lane-name state-${hasBegun ? state : "idle"}`}>
        <span class="dot" aria-hidden="true" />
        <b title={name}>{name}</b>
        <span class="id">{shortAgent(agentId)}</span>
        <span class={state === "ended" && hasBegun ? "hidden" : "lane-state"}>
          {hasBegun ? STATE_WORDS[state] : "not yet"}
        </span>
      </div>
      <div class="lane-task" title={does}>
        {does !== "" && <span>{does}</span>}
        <span class="amount">
          {count(spans.length, "call")}
          {failed > 0 && <span class="failed-count">, {failed} failed</span>}
        </span>
      </div>
    </div>
  );
}

/** From its beginning to its end. */
function Life({ lane: { startedAt, endedAt }, scale, now }: { lane: Lane; scale: Scale; now: number }) {
  const left = Math.max(-4, scale.x(startedAt));
  const right = Math.min(scale.width + 4, scale.x(endedAt ?? now));
  return <i class="life" style={{ left: `${left}px`, width: `${Math.max(2, right - left)}px` }} />;
}

interface WaitProps {
  wait: WaitSpan;
  scale: Scale;
  now: number;
  selected: number | null;
  tabStop: string | null;
  onSelect: (seq: number) => void;
}

function Wait({ wait, scale, now, selected, tabStop, onSelect }: WaitProps) {
  const { from, to, seq } = wait;
  const end = to ?? now;
  if (end < scale.from || from > scale.to) return null;
  const left = Math.max(-4, scale.x(from));
  const width = Math.max(3, Math.min(scale.width + 4, scale.x(end)) - left);
  const words = waitWords(wait, now);
  return (
    <button
      type="button"
      class={`wait${to === null ? " wait-open" : ""}`}
      style={{ left: `${left}px`, width: `${width}px` }}
      tabIndex={waitKey(wait) === tabStop ? 0 : -1}
      data-keys={waitKey(wait)}
      aria-pressed={seq === selected}
      aria-label={words}
      title={words}
      onClick={() => onSelect(seq)}
    >
      {width > 40 && (
        <span>
          {width > 110 && (to === null ? "waits " : "waited ")}
          {age(end - from)}
        </span>
      )}
    </button>
  );
}

interface BarProps {
  box: Box;
  top: number;
  height: number;
  project: string | null;
  now: number;
  /** It does not run, somebody is asked whether it may. */
  isAsked: boolean;
  selected: number | null;
  tabStop: string | null;
  onSelect: (seq: number) => void;
  onZoom: (spans: readonly Span[]) => void;
}

function Bar({ box, top, height, project, now, isAsked, selected, tabStop, onSelect, onZoom }: BarProps) {
  const { spans, left, width } = box;
  const [span] = spans;
  if (!span) return null;
  const style = { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
  const common = {
    type: "button" as const,
    tabIndex: spans.some((own) => callKey(own) === tabStop) ? 0 : -1,
    style,
    "data-keys": spans.map(callKey).join(" "),
    "aria-pressed": spans.some(({ seq }) => seq === selected),
  };
  if (spans.length > 1) {
    const words = clusterWords(spans);
    const hasFailed = spans.some(({ outcome }) => outcome === "failure");
    return (
      <button
        {...common}
        class={`bar bar-cluster${hasFailed ? " bar-failure" : ""}`}
        aria-label={`${words}; zoom in`}
        title={words}
        onClick={() => onZoom(spans)}
      >
        {width > TEXT_WIDTH * 2.5 && height > 12 && <span>{count(spans.length, "call")}</span>}
      </button>
    );
  }
  const words = `${callWords(span, project, now)}${isAsked ? ", waits for you" : ""}`;
  // Where a bar begins out of view, its words do not.
  const hiddenPart = Math.max(0, -left);
  return (
    <button
      {...common}
      class={`bar bar-${outcomeOf(span)}${isAsked ? " bar-asked" : ""}`}
      aria-label={words}
      title={span.message === null ? words : `${words}\n${oneLine(span.message)}`}
      onClick={() => onSelect(span.seq)}
    >
      {width - hiddenPart > TEXT_WIDTH && height > 12 && (
        <span style={hiddenPart > 0 ? { marginLeft: `${hiddenPart}px` } : undefined}>
          <b>{oneLine(span.tool)}</b> {callTitle({ ...span, tool: "" }, project)}
        </span>
      )}
    </button>
  );
}
