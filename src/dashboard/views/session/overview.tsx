/** The whole session in a strip, and which part of it the timeline shows. What it does, other controls do too. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Story } from "../../../sessions/story.ts";
import { layBoxes } from "./layout.ts";
import { createScale, type TimeAxis, wholeOf } from "./time-axis.ts";
import type { Viewport } from "./viewport.ts";

interface OverviewProps {
  story: Story;
  axis: TimeAxis;
  viewport: Viewport;
  /** The moment of a replay. */
  now: number | null;
  /** Where open calls end. */
  end: number;
}

const MAX_HEIGHT = 56;
const MAX_ROW = 7;

export function Overview({ story, axis, viewport, now, end }: OverviewProps) {
  const strip = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  /** A part that is being chosen, in pixels. */
  const choice = useSignal<{ from: number; to: number } | null>(null);
  const moving = useRef<{ x: number; start: number } | null>(null);
  useLayoutEffect(() => {
    const element = strip.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const scale = createScale(axis, wholeOf(axis), Math.max(1, width.value));
  const perPixel = axis.length / scale.width;
  const rowHeight = Math.min(MAX_ROW, MAX_HEIGHT / Math.max(1, story.lanes.length));
  const paths = useMemo(() => pathsOf(story, scale, end, rowHeight), [story, axis, width.value]);
  const height = Math.max(14, rowHeight * story.lanes.length);
  const { range } = viewport;
  const shown = choice.value ?? { from: range.start / perPixel, to: range.end / perPixel };

  const xOf = (event: PointerEvent) => event.clientX - (strip.current?.getBoundingClientRect().left ?? 0);
  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const x = xOf(event);
    strip.current?.setPointerCapture(event.pointerId);
    const isInside = !viewport.isAll && x >= shown.from && x <= shown.to;
    if (isInside) moving.current = { x, start: range.start };
    else choice.value = { from: x, to: x };
  };
  const onPointerMove = (event: PointerEvent) => {
    const x = xOf(event);
    if (moving.current) {
      const start = moving.current.start + (x - moving.current.x) * perPixel;
      viewport.show({ start, end: start + range.end - range.start });
    } else if (choice.value) choice.value = { ...choice.value, to: x };
  };
  const onPointerUp = () => {
    const chosen = choice.value;
    moving.current = null;
    choice.value = null;
    if (!chosen) return;
    const [from, to] = [Math.min(chosen.from, chosen.to), Math.max(chosen.from, chosen.to)];
    if (to - from > 3) viewport.show({ start: from * perPixel, end: to * perPixel });
    else if (!viewport.isAll) viewport.panFrom(range, from * perPixel - (range.start + range.end) / 2);
  };

  const left = Math.max(0, Math.min(shown.from, shown.to));
  const right = Math.min(scale.width, Math.max(shown.from, shown.to));
  return (
    <div class="overview" aria-hidden="true" title="Drag to choose a part">
      <div
        ref={strip}
        class="overview-plot"
        style={{ height: `${height}px` }}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={onPointerUp}
      >
        <svg width={scale.width} height={height}>
          {Object.entries(paths).map(([kind, path]) => (
            <path key={kind} class={`overview-${kind}`} d={path} />
          ))}
        </svg>
        {axis.folds.map(({ from, to }) => (
          <i
            key={from}
            class="fold"
            style={{ left: `${scale.x(from)}px`, width: `${scale.x(to) - scale.x(from)}px` }}
          />
        ))}
        {(!viewport.isAll || choice.value) && (
          <>
            <i class="overview-out" style={{ left: "0", width: `${left}px` }} />
            <i
              class="overview-window"
              style={{ left: `${left}px`, width: `${Math.max(2, right - left)}px` }}
            />
            <i class="overview-out" style={{ left: `${right}px`, right: "0" }} />
          </>
        )}
        {now !== null && (
          <i class="now-line now-replay" style={{ transform: `translateX(${scale.x(now)}px)` }} />
        )}
      </div>
    </div>
  );
}

/** One path for all bars of a kind: thousands of elements would be more than anybody sees here. */
function pathsOf(
  { lanes, waits, marks }: Story,
  scale: ReturnType<typeof createScale>,
  end: number,
  rowHeight: number,
): Record<string, string> {
  const paths = { life: "", call: "", failure: "", wait: "", prompt: "" };
  const box = (x: number, row: number, width: number) =>
    `M${x.toFixed(1)} ${(row * rowHeight + 0.5).toFixed(1)}h${Math.max(1, width).toFixed(1)}v${(rowHeight - 1).toFixed(1)}h-${Math.max(1, width).toFixed(1)}z`;
  lanes.forEach((lane, row) => {
    const left = scale.x(lane.startedAt);
    paths.life += box(left, row, scale.x(lane.endedAt ?? end) - left);
    for (const { spans, left: x, width } of layBoxes(lane.spans, scale, end, true)) {
      if (spans.some(({ outcome }) => outcome === "failure")) paths.failure += box(x, row, width);
      else paths.call += box(x, row, width);
    }
    for (const { agentId, from, to } of waits) {
      if (agentId === lane.agentId) paths.wait += box(scale.x(from), row, scale.x(to ?? end) - scale.x(from));
    }
  });
  for (const { kind, time } of marks) {
    if (kind === "prompt") paths.prompt += `M${scale.x(time).toFixed(1)} 0v${MAX_HEIGHT}`;
  }
  return paths;
}
