/** Which part of the timeline is seen, and its place in the address. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { route, setParams } from "../../state/route.ts";
import { panned, type Range, type TimeAxis, wholeOf, within, zoomed } from "./time-axis.ts";

/** All of it; so much of its end, which moves on while the session does; or one part of it, by its moments. */
export type Portion =
  | { kind: "all" }
  | { kind: "last"; length: number }
  | { kind: "part"; from: number; to: number };

export interface Viewport {
  readonly range: Range;
  /** Whether its right edge is that of the axis. */
  readonly follows: boolean;
  readonly isAll: boolean;
  zoom(factor: number, anchor?: number): void;
  /** By a share of what is seen. */
  pan(share: number): void;
  /** By positions, from where it was before. */
  panFrom(range: Range, by: number): void;
  show(range: Range): void;
  /** Moves no more than it takes for the moment to be seen. */
  reveal(time: number): void;
  showAll(): void;
  follow(): void;
}

/** Browsers count how often the address is changed. */
const ADDRESS_DELAY_MS = 250;
/** Positions nearer an end than this share of what is seen lie in it. */
const SNAP = 0.002;

/** @param isLive whether its end is where something happens */
export function useViewport(axis: TimeAxis, isLive: boolean): Viewport {
  const { params } = route.value;
  const portion = useSignal<Portion>(portionOf(params));
  const inAddress = useRef(textOf(portion.peek()));
  useAddress(portion, inAddress);
  const asked = textOf(portionOf(params));
  useEffect(() => {
    if (asked === inAddress.current) return;
    // A link to another part of the same session was followed.
    inAddress.current = asked;
    portion.value = portionOf(params);
  }, [asked]);

  const range = rangeOf(portion.value, axis);
  const show = (wanted: Range) => {
    const next = within(wanted, axis);
    const near = (next.end - next.start) * SNAP;
    if (next.end - next.start >= axis.length - near) portion.value = { kind: "all" };
    else if (next.end >= axis.length - near) portion.value = { kind: "last", length: next.end - next.start };
    else portion.value = { kind: "part", from: axis.timeAt(next.start), to: axis.timeAt(next.end) };
  };
  const length = range.end - range.start;
  return {
    range,
    follows: portion.value.kind !== "part",
    isAll: portion.value.kind === "all",
    show,
    zoom(factor, anchor) {
      const { kind } = portion.peek();
      const isAtEnd = kind === "last" || (kind === "all" && isLive);
      const middle = isAtEnd ? range.end : (range.start + range.end) / 2;
      show(zoomed(range, factor, anchor ?? middle, axis));
    },
    pan: (share) => show(panned(range, share * length, axis)),
    panFrom: (before, by) => show(panned(before, by, axis)),
    reveal(time) {
      const at = axis.at(time);
      const edge = length * 0.08;
      if (at >= range.start + edge && at <= range.end - edge) return;
      const wanted = { start: at - length * 0.3, end: at + length * 0.7 };
      // Near an end of the axis it cannot come nearer the middle.
      const next = within(wanted, axis);
      if (next.start !== range.start) show(wanted);
    },
    showAll: () => (portion.value = { kind: "all" }),
    follow: () => (portion.value = { kind: "last", length }),
  };
}

function rangeOf(portion: Portion, axis: TimeAxis): Range {
  if (portion.kind === "all") return wholeOf(axis);
  if (portion.kind === "last") return within({ start: axis.length - portion.length, end: axis.length }, axis);
  return within({ start: axis.at(portion.from), end: axis.at(portion.to) }, axis);
}

function useAddress(portion: Signal<Portion>, inAddress: { current: string }): void {
  const { value } = portion;
  useEffect(() => {
    const timer = setTimeout(() => {
      const text = textOf(value);
      if (text === inAddress.current) return;
      inAddress.current = text;
      setParams(paramsOf(value));
    }, ADDRESS_DELAY_MS);
    return () => clearTimeout(timer);
  }, [value]);
}

export function portionOf(params: URLSearchParams): Portion {
  const [from, to, last] = ["from", "to", "last"].map((name) => Number(params.get(name) ?? Number.NaN));
  if (from !== undefined && to !== undefined && from > 0 && to > from) return { kind: "part", from, to };
  return last !== undefined && last > 0 ? { kind: "last", length: last } : { kind: "all" };
}

export function paramsOf(portion: Portion): Record<"from" | "to" | "last", string> {
  const none = { from: "", to: "", last: "" };
  if (portion.kind === "part") {
    return { ...none, from: `${Math.floor(portion.from)}`, to: `${Math.ceil(portion.to)}` };
  }
  return portion.kind === "last" ? { ...none, last: `${Math.round(portion.length)}` } : none;
}

function textOf(portion: Portion): string {
  return Object.values(paramsOf(portion)).join(" ");
}
