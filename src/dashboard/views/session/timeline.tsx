/** What each agent did and when: a lane for each of them, a bar for each of its calls. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Span, Story } from "../../../sessions/story.ts";
import { age, dayAndClock } from "../../parts/words.ts";
import { LaneRow } from "./lane.tsx";
import { callKey, type Item, itemsIn, marksIn } from "./layout.ts";
import { Overview } from "./overview.tsx";
import { createScale, type Range, type Scale, ticksOf, type TimeAxis } from "./time-axis.ts";
import { useDrag, useRoving, useZoomKeys, ZOOM } from "./timeline-input.ts";
import type { Viewport } from "./viewport.ts";

interface TimelineProps {
  /** As far as it has come at the moment that is shown. */
  story: Story;
  /** All of it. */
  whole: Story;
  axis: TimeAxis;
  viewport: Viewport;
  now: number;
  project: string | null;
  /** Whether it goes on by itself. */
  isLive: boolean;
  /** Whether the moment shown is not the end. */
  isReplay: boolean;
  /** The call, mark or wait that is open, by the `seq` of its event. */
  selected: number | null;
  onSelect: (seq: number | null) => void;
  folding: { isOn: boolean; isPossible: boolean; onChange: (isOn: boolean) => void };
}

/** Nearer the right edge a time is cut off. */
const LABEL_WIDTH = 56;
const FOLD_LABEL_WIDTH = 48;

export function Timeline(props: TimelineProps) {
  const { story, whole, axis, viewport, now, project, isLive, isReplay, selected, onSelect, folding } = props;
  const plot = useRef<HTMLDivElement>(null);
  const lanes = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  useLayoutEffect(() => {
    const element = plot.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    width.value = element.clientWidth;
    return () => observer.disconnect();
  }, []);

  const { range } = viewport;
  const scale = createScale(axis, range, Math.max(1, width.value));
  const ticks = width.value === 0 ? [] : ticksOf(axis, range, width.value);
  const { focused, focus, onKeyDown, onFocus } = useRoving(props, scale, lanes);
  useZoomKeys(viewport);
  const dragging = useDrag(lanes, axis, viewport, width);

  const folds = foldLabels(axis, scale);
  const nowX = scale.x(now);
  const stop = focused ?? firstIn(story, scale, now);
  return (
    <section class="timeline" aria-labelledby="timeline-title">
      <div class="timeline-bar">
        <h2 id="timeline-title">Timeline</h2>
        <Legend />
        <div class="timeline-tools">
          {folding.isPossible && (
            <label class="check">
              <input
                type="checkbox"
                checked={folding.isOn}
                onChange={({ currentTarget }) => folding.onChange(currentTarget.checked)}
              />
              Fold idle time
            </label>
          )}
          {isLive && !isReplay && !viewport.follows && (
            <button type="button" class="primary" onClick={viewport.follow}>
              Follow now →
            </button>
          )}
          <div class="timeline-zoom" role="group" aria-label="Zoom">
            <button
              type="button"
              aria-label="Zoom out"
              title="Zoom out (−)"
              onClick={() => viewport.zoom(1 / ZOOM)}
              disabled={viewport.isAll}
            >
              −
            </button>
            <button
              type="button"
              title="All of it (0)"
              onClick={viewport.showAll}
              aria-pressed={viewport.isAll}
            >
              All
            </button>
            <button
              type="button"
              aria-label="Zoom in"
              title="Zoom in (+)"
              onClick={() => viewport.zoom(ZOOM)}
            >
              +
            </button>
          </div>
        </div>
      </div>
      <Overview
        story={whole}
        axis={axis}
        viewport={viewport}
        now={isReplay ? now : null}
        end={isReplay ? whole.to : now}
      />
      <div class="timeline-body" data-dragging={dragging}>
        <div class="axis">
          <div class="axis-day">{dayOf(scale.from)}</div>
          <div class="axis-plot" ref={plot} aria-hidden="true">
            {ticks.map(({ time, x, label }) => (
              <span key={time} class="tick" style={{ transform: `translateX(${x}px)` }}>
                {x < width.value - LABEL_WIDTH && !folds.some((fold) => isOver(fold.x, x)) && label}
              </span>
            ))}
            {folds.map(({ x, label }) => (
              <span key={`${label} ${x}`} class="fold-label" style={{ left: `${x}px` }}>
                {label}
              </span>
            ))}
          </div>
        </div>
        <div
          class="lanes"
          ref={lanes}
          onKeyDown={onKeyDown}
          onFocusIn={onFocus}
          role="group"
          aria-label="Calls by agent"
        >
          <div class="backdrop" aria-hidden="true">
            {ticks.map(({ time, x }) => (
              <i key={time} class="grid-line" style={{ transform: `translateX(${x}px)` }} />
            ))}
            {axis.folds.map(({ from, to }) => (
              <Fold key={from} from={from} to={to} scale={scale} />
            ))}
          </div>
          {story.lanes.map((lane) => (
            <LaneRow
              key={lane.agentId ?? ""}
              lane={lane}
              waits={story.waits.filter(({ agentId }) => agentId === lane.agentId)}
              marks={marksIn(lane, story, now)}
              scale={scale}
              now={now}
              project={project}
              selected={selected}
              tabStop={stop}
              onSelect={onSelect}
              onZoom={(spans) => {
                zoomTo(spans, axis, viewport, now);
                focus(spans[0] && callKey(spans[0]));
              }}
            />
          ))}
          {(isLive || isReplay) && nowX >= 0 && nowX <= scale.width && (
            <div class="backdrop" aria-hidden="true">
              <i
                class={isReplay ? "now-line now-replay" : "now-line"}
                style={{ transform: `translateX(${nowX}px)` }}
              />
              {isReplay && <i class="future" style={{ left: `${nowX}px` }} />}
            </div>
          )}
        </div>
      </div>
    </section>
  );
}

function Fold({ from, to, scale }: { from: number; to: number; scale: Scale }) {
  const left = scale.x(from);
  const width = scale.x(to) - left;
  if (left > scale.width || left + width < 0) return null;
  return <i class="fold" style={{ left: `${left}px`, width: `${width}px` }} />;
}

/** How long each fold is, above it. */
function foldLabels({ folds }: TimeAxis, scale: Scale): { x: number; label: string }[] {
  return folds.flatMap(({ from, to }) => {
    const middle = (Math.max(0, scale.x(from)) + Math.min(scale.width, scale.x(to))) / 2;
    const isSeen = scale.x(to) >= 0 && scale.x(from) <= scale.width;
    const x = Math.max(FOLD_LABEL_WIDTH / 2, Math.min(scale.width - FOLD_LABEL_WIDTH / 2, middle));
    return isSeen
      ? [
          {
            x,
            label: age(to - from)
              .split(" ")
              .slice(0, 2)
              .join(" "),
          },
        ]
      : [];
  });
}

function Legend() {
  return (
    <ul class="legend" aria-label="Colours">
      {(["success", "failure", "denied", "unfinished", "open"] as const).map((outcome) => (
        <li key={outcome}>
          <i class={`bar bar-${outcome}`} aria-hidden="true" />{" "}
          {outcome === "success"
            ? "done"
            : outcome === "failure"
              ? "failed"
              : outcome === "open"
                ? "running"
                : outcome}
        </li>
      ))}
      <li>
        <i class="legend-wait" aria-hidden="true" /> waits for you
      </li>
    </ul>
  );
}

/** Whether the label of a fold would cover that of a tick. */
function isOver(fold: number, tick: number): boolean {
  return tick > fold - LABEL_WIDTH - FOLD_LABEL_WIDTH / 2 && tick < fold + FOLD_LABEL_WIDTH / 2;
}

function dayOf(time: number): string {
  // Of any other day `dayAndClock` tells the date.
  return dayAndClock(time, 0).split(" ")[0] ?? "";
}

/** A part of the axis with room around the calls. */
export function around(
  spans: readonly Pick<Span, "startedAt" | "endedAt">[],
  axis: TimeAxis,
  now: number,
): Range {
  const start = axis.at(Math.min(...spans.map(({ startedAt }) => startedAt)));
  const end = axis.at(Math.max(...spans.map(({ endedAt }) => endedAt ?? now)));
  const margin = Math.max(25, (end - start) * 0.15);
  return { start: start - margin, end: end + margin };
}

/** Where they fill the view already, into the middle of them. */
function zoomTo(spans: readonly Span[], axis: TimeAxis, viewport: Viewport, now: number): void {
  const wanted = around(spans, axis, now);
  const { start, end } = viewport.range;
  if (wanted.end - wanted.start < (end - start) * 0.7) viewport.show(wanted);
  else viewport.zoom(4, (wanted.start + wanted.end) / 2);
}

function firstIn(story: Story, { from, to }: Scale, now: number): string | null {
  const isSeen = ({ startedAt, endedAt }: Omit<Item, "key">) => startedAt <= to && (endedAt ?? to) >= from;
  for (const { spans } of story.lanes) {
    const call = spans.find(isSeen);
    if (call) return callKey(call);
  }
  for (const lane of story.lanes) {
    const item = itemsIn(lane, story, now).find(isSeen);
    if (item) return item.key;
  }
  return null;
}
