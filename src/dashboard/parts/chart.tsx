/** A line over time, said in words too. */
import { effect, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { theme } from "../state/settings.ts";
import { clock } from "./words.ts";

export interface Line {
  name: string;
  /** One per time; null where nothing is known. */
  values: readonly (number | null)[];
  /** A colour of `base.css`, as `--accent`. */
  colour: string;
}

/** Begun when a chart is drawn: it asks `Intl` at once, for which every other view would wait 20 ms. */
const library = async () => (await import("uplot")).default;

interface ChartProps {
  title: string;
  /** What exactly it is. */
  note: string;
  /** Milliseconds since the epoch. */
  times: readonly number[];
  lines: readonly Line[];
  from: number;
  to: number;
  format: (value: number) => string;
  /** The scale begins at 0 and goes at least so far: small differences are not blown up. */
  atLeast: number;
  /** Marks stand at powers of two. */
  isBinary?: boolean;
  /** Not the present any more. */
  isOld?: boolean;
}

const HEIGHT = 132;
const FONT_SIZE = 11;
const FILL_OPACITY = 0.12;
/** Pointing at a time in one shows it in all. */
const SYNC = "time";
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

export function Chart(props: ChartProps) {
  const { title, note, times, lines, from, to, format, isOld = false } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const pointed = useSignal<number | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useLayoutEffect(() => {
    let isGone = false;
    void library().then((UPlot) => {
      const element = host.current;
      if (isGone || !element) return;
      plot.current = makePlot(
        UPlot,
        element,
        () => latest.current,
        (index) => (pointed.value = index),
      );
    });
    return () => {
      isGone = true;
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.update(), [times, lines, from, to]);
  useEffect(() => plot.current?.recolour(), [isOld]);

  const index = pointed.value;
  const pointedAt = index === null ? undefined : times[index];
  return (
    <figure class="chart">
      <figcaption>
        <div class="chart-head">
          <h3>{title}</h3>
          <dl>
            {lines.map(({ name, values, colour }) => (
              <div key={name}>
                <dt class={lines.length === 1 ? "hidden" : ""}>
                  <span class="chart-key" style={{ background: `var(${colour})` }} aria-hidden="true" />
                  {name}
                </dt>
                <dd>{said(index === null ? latestOf(values) : (values[index] ?? null), format)}</dd>
              </div>
            ))}
          </dl>
        </div>
        <p class="muted">
          {note} <span class="chart-time">{pointedAt === undefined ? "" : clock(pointedAt)}</span>
        </p>
      </figcaption>
      <div
        ref={host}
        class="chart-plot"
        role="img"
        aria-label={inWords(title, times, lines, { from, to }, format)}
      />
    </figure>
  );
}

/** As read out: what it is now, and between what it moved. */
function inWords(
  title: string,
  times: readonly number[],
  lines: readonly Line[],
  { from, to }: { from: number; to: number },
  format: (value: number) => string,
): string {
  const texts = lines.map(({ name, values }) => {
    const known = values.filter((value, index): value is number => {
      const time = times[index] ?? 0;
      return value !== null && time >= from && time <= to;
    });
    const label = lines.length > 1 ? `${name}: ` : "";
    const last = latestOf(values);
    if (known.length === 0 || last === null) return `${label}nothing yet`;
    const [least, most] = known.reduce(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Infinity, -Infinity],
    );
    return `${label}now ${format(last)}, lowest ${format(least)}, highest ${format(most)}`;
  });
  return `${title}, last ${Math.round((to - from) / 60_000)} minutes. ${texts.join("; ")}`;
}

function said(value: number | null, format: (value: number) => string): string {
  return value === null ? "–" : format(value);
}

function latestOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

function timeMark(seconds: number, step: number): string {
  const text = clock(seconds * 1000);
  return step < 60 ? text : text.slice(0, 5);
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [times.map((time) => time / 1000), ...lines.map(({ values }) => [...values])];
}

interface Plot {
  update(): void;
  recolour(): void;
  destroy(): void;
}

function makePlot(
  UPlot: typeof uPlot,
  element: HTMLElement,
  props: () => ChartProps,
  onPoint: (index: number | null) => void,
): Plot {
  const colours = coloursOf(element);
  const data = () => dataOf(props().times, props().lines);
  const made = new UPlot(optionsOf(element, props, colours, onPoint), data(), element);
  const recolour = () => {
    colours.forget();
    made.redraw(false);
  };
  const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
  resized.observe(element);
  const stopTheme = onTheme(recolour);
  return {
    update: () => made.setData(data()),
    recolour,
    destroy() {
      resized.disconnect();
      stopTheme();
      made.destroy();
    },
  };
}

function optionsOf(
  element: HTMLElement,
  props: () => ChartProps,
  colours: Colours,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const { lines, format, isBinary } = props();
  const stroke = () => colours.of("--muted");
  const axis: uPlot.Axis = {
    stroke,
    ticks: { show: false },
    font: `${FONT_SIZE}px ${getComputedStyle(element).fontFamily}`,
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 24, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNC, scales: ["x", null] } },
    scales: {
      x: { range: () => [props().from / 1000, props().to / 1000] },
      y: { range: (_, __, most) => [0, Math.max(props().atLeast, (most ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        space: 64,
        values: (_, splits, __, ___, step) => splits.map((seconds) => timeMark(seconds, step)),
      },
      {
        ...axis,
        grid: { stroke: () => colours.of("--line"), width: 1 },
        ...(isBinary ? { incrs: POWERS_OF_TWO } : {}),
        size: 64,
        space: 28,
        gap: 6,
        values: (_, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...lines.map(({ name, colour }, index): uPlot.Series => {
        return {
          label: name,
          stroke: () => colours.of(colour),
          width: 1.5,
          points: { size: 4, fill: () => colours.of(colour) },
          // Told apart by more than their colours.
          ...(index === 0 ? { fill: () => faded(colours.of(colour)) } : { dash: [4, 3] }),
        };
      }),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}

interface Colours {
  of(name: string): string;
  forget(): void;
}

/** The page's colours as the canvas takes them: what `light-dark` stands for is known only where it is used. */
function coloursOf(element: HTMLElement): Colours {
  const known = new Map<string, string>();
  return {
    of(name) {
      let colour = known.get(name);
      if (colour === undefined) {
        element.style.color = `var(${name})`;
        colour = getComputedStyle(element).color;
        element.style.color = "";
        known.set(name, colour);
      }
      return colour;
    },
    forget: () => known.clear(),
  };
}

function faded(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, (_, parts: string) => {
    return parts.includes(",") ? `rgba(${parts}, ${FILL_OPACITY})` : `rgb(${parts} / ${FILL_OPACITY})`;
  });
}

/** Chosen here, or changed by the system. */
function onTheme(listener: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", listener);
  const stop = effect(() => {
    void theme.value;
    // The page is given its colours by an effect as well.
    queueMicrotask(listener);
  });
  return () => {
    system.removeEventListener("change", listener);
    stop();
  };
}
