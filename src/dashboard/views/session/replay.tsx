/** A session played again: the moment that is shown, and what moves it. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { countUpTo } from "../../../sessions/replay.ts";
import type { Entry } from "../../../sessions/story.ts";
import { useKeys } from "../../parts/shortcuts.ts";
import { oneLine } from "../../parts/text.ts";
import { age, clock, count } from "../../parts/words.ts";
import { route, setParams } from "../../state/route.ts";
import { advance } from "./moment.ts";
import type { Interval } from "./time-axis.ts";

export const SPEEDS = [1, 2, 5, 20, 100] as const;

export interface Replay {
  isOn: boolean;
  moment: number;
  isPlaying: boolean;
  speed: Signal<number>;
  skipsIdle: Signal<boolean>;
  open(): void;
  close(): void;
  toggle(): void;
  seek(moment: number): void;
}

/** Drawn so often while it plays. */
const FRAME_MS = 40;
/** After a pause of the browser's own, as of a hidden tab, it goes on from where it was. */
const MAX_STEP_MS = 250;
const DEFAULT_SPEED = 5;
/** Browsers count how often the address is changed. */
const ADDRESS_DELAY_MS = 250;
const PRESSED_BY_SPACE = "button, a, summary, select, input[type=checkbox], input[type=radio]";

export function useReplay(from: number, end: number, idle: readonly Interval[]): Replay {
  const { params } = route.value;
  const isOn = params.get("replay") === "1";
  const asked = Number(params.get("t"));
  const within = (time: number) => Math.max(from, Math.min(end, time));
  const moment = useSignal(asked > 0 ? within(asked) : from);
  const isPlaying = useSignal(isOn && !(asked > 0));
  const speed = useSignal<number>(DEFAULT_SPEED);
  const skipsIdle = useSignal(true);
  const latest = useRef({ end, idle });
  latest.current = { end, idle };

  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  // Somebody has followed a link to another moment.
  const inAddress = useRef(asked);
  useEffect(() => {
    if (asked === inAddress.current) return;
    inAddress.current = asked;
    if (asked > 0) moment.value = within(asked);
  }, [asked]);

  useEffect(() => {
    if (!isOn || !isPlaying.value) return;
    let last = performance.now();
    let frame = requestAnimationFrame(function play(time) {
      frame = requestAnimationFrame(play);
      const passed = time - last;
      if (passed < FRAME_MS) return;
      last = time;
      const skipped = skipsIdle.peek() ? latest.current.idle : [];
      const elapsed = Math.min(passed, MAX_STEP_MS) * speed.peek();
      moment.value = advance(moment.peek(), elapsed, skipped, latest.current.end);
      if (moment.peek() >= latest.current.end) pause();
    });
    return () => cancelAnimationFrame(frame);
  }, [isOn, isPlaying.value]);

  const setAddress = (on: boolean, time: number | null) => {
    clearTimeout(timer.current);
    inAddress.current = time ?? 0;
    setParams({ replay: on ? "1" : "", t: time === null ? "" : `${time}` });
  };
  const keep = () => setAddress(true, Math.round(moment.peek()));
  const pause = () => {
    isPlaying.value = false;
    keep();
  };
  const play = () => {
    if (moment.peek() >= end) moment.value = from;
    isPlaying.value = true;
    setAddress(true, null);
  };
  return {
    isOn,
    moment: moment.value,
    isPlaying: isPlaying.value,
    speed,
    skipsIdle,
    open() {
      moment.value = from;
      play();
    },
    close() {
      isPlaying.value = false;
      setAddress(false, null);
    },
    toggle: () => (isPlaying.peek() ? pause() : play()),
    seek(time) {
      isPlaying.value = false;
      moment.value = within(time);
      clearTimeout(timer.current);
      timer.current = setTimeout(keep, ADDRESS_DELAY_MS);
    },
  };
}

interface ReplayBarProps {
  replay: Replay;
  entries: readonly Entry[];
  from: number;
  end: number;
  hasIdle: boolean;
  exitLabel: string;
}

export function ReplayBar({ replay, entries, from, end, hasIdle, exitLabel }: ReplayBarProps) {
  const { moment, isPlaying, speed, skipsIdle } = replay;
  const passed = countUpTo(entries, moment);
  const current = entries[passed - 1];
  const step = (by: 1 | -1) => {
    const next =
      by === 1 ? entries[passed] : entries.slice(0, passed).findLast(({ step: { time } }) => time < moment);
    if (next) replay.seek(next.step.time);
  };
  useKeys({
    " ": (event) => {
      // What has the focus is pressed by it.
      if ((event.target as HTMLElement).matches(PRESSED_BY_SPACE)) return;
      event.preventDefault();
      replay.toggle();
    },
    ",": () => step(-1),
    ".": () => step(1),
  });
  const play = useRef<HTMLButtonElement>(null);
  useEffect(() => play.current?.focus(), []);
  const value = Math.round(moment - from);
  const at = `event ${count(passed)} of ${count(entries.length)}`;
  return (
    <section class="replay" aria-label="Replay">
      <p class="replay-mark">
        <strong>Replay – not live</strong>
        <button type="button" onClick={replay.close}>
          {exitLabel}
        </button>
      </p>
      <div class="replay-row">
        <button ref={play} type="button" class="primary replay-play" onClick={replay.toggle} title="Space">
          {isPlaying ? "Pause" : "Play"}
        </button>
        <button type="button" aria-label="Previous event" title="Previous event (,)" onClick={() => step(-1)}>
          ‹
        </button>
        <button type="button" aria-label="Next event" title="Next event (.)" onClick={() => step(1)}>
          ›
        </button>
        <input
          type="range"
          aria-label="Moment"
          aria-valuetext={`${clock(moment)}, ${at}`}
          min={0}
          max={Math.max(1, Math.round(end - from))}
          step={Math.max(1, Math.round((end - from) / 1000))}
          value={value}
          onInput={({ currentTarget }) => replay.seek(from + Number(currentTarget.value))}
        />
        <span class="replay-clock">
          <b>{clock(moment)}</b>{" "}
          <span class="muted">
            {age(moment - from)} of {age(end - from)}
          </span>
        </span>
        <div class="replay-speeds" role="group" aria-label="Speed">
          {SPEEDS.map((factor) => (
            <button
              key={factor}
              type="button"
              aria-pressed={speed.value === factor}
              onClick={() => (speed.value = factor)}
            >
              {factor}×
            </button>
          ))}
        </div>
        {hasIdle && (
          <label class="check">
            <input
              type="checkbox"
              checked={skipsIdle.value}
              onChange={({ currentTarget }) => (skipsIdle.value = currentTarget.checked)}
            />
            Skip idle time
          </label>
        )}
      </div>
      <p class="replay-event">
        <span class="muted">{at}</span>{" "}
        {current && (
          <>
            <b>{oneLine(current.step.name).replaceAll("_", " ")}</b> {oneLine(current.text.slice(0, 200))}
          </>
        )}
      </p>
    </section>
  );
}
