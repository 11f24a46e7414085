/** How the timeline is gone through, zoomed and moved: by keys, wheel, mouse and fingers. */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Story } from "../../../sessions/story.ts";
import { useKeys } from "../../parts/shortcuts.ts";
import { type Item, itemsIn } from "./layout.ts";
import type { Range, Scale, TimeAxis } from "./time-axis.ts";
import type { Viewport } from "./viewport.ts";

/** By how much a key or a button zooms, and by what share of the view a key pans. */
export const ZOOM = 1.6;
const PAN = 0.25;
/** A press that moves less is a click. */
const DRAG_PIXELS = 4;

/** What is gone through. */
interface Roved {
  story: Story;
  viewport: Viewport;
  now: number;
  onSelect: (seq: number | null) => void;
}

/** Arrows go from call to call, over marks and waits, and one Tab goes past all of them. */
export function useRoving(
  { story, viewport, now, onSelect }: Roved,
  scale: Scale,
  root: { current: HTMLElement | null },
) {
  const focused = useSignal<string | null>(null);
  const wanted = useRef<string | null>(null);
  const find = (key: string) => root.current?.querySelector<HTMLElement>(`[data-keys~="${key}"]`);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const element = find(wanted.current);
    if (!element) return;
    wanted.current = null;
    element.focus();
    element.scrollIntoView({ block: "nearest" });
  });

  const focus = (key: string | undefined) => {
    focused.value = key ?? null;
    wanted.current = key ?? null;
  };
  const goTo = (item: Item | undefined) => {
    if (!item) return;
    focus(item.key);
    if ((item.endedAt ?? scale.to) < scale.from || item.startedAt > scale.to) viewport.reveal(item.startedAt);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = new Set(keysOf(event.target));
    const lanes = story.lanes.map((lane) => itemsIn(lane, story, now));
    const at = lanes.findIndex((items) => items.some(({ key }) => own.has(key)));
    const items = lanes[at];
    if (!items) return;
    // Of several in one, that which was gone to: others may lie between them.
    const current = items.findIndex(({ key }) => key === focused.peek() && own.has(key));
    const from = current === -1 ? items.findIndex(({ key }) => own.has(key)) : current;
    const nearest = (step: 1 | -1) => {
      const time = items[from]?.startedAt ?? 0;
      for (let index = at + step; lanes[index]; index += step) {
        const near = lanes[index]?.reduce<Item | undefined>((best, item) => {
          const isNearer = !best || Math.abs(item.startedAt - time) < Math.abs(best.startedAt - time);
          return isNearer ? item : best;
        }, undefined);
        if (near) return near;
      }
      return undefined;
    };
    const steps: Record<string, () => void> = {
      ArrowRight: () => goTo(items.slice(from).find(({ key }) => !own.has(key))),
      ArrowLeft: () => goTo(items.slice(0, from).findLast(({ key }) => !own.has(key))),
      ArrowDown: () => goTo(nearest(1)),
      ArrowUp: () => goTo(nearest(-1)),
      Home: () => goTo(items[0]),
      End: () => goTo(items.at(-1)),
      Escape: () => onSelect(null),
    };
    const step = Object.hasOwn(steps, event.key) ? steps[event.key] : undefined;
    if (!step) return;
    event.preventDefault();
    step();
  };
  const onFocus = ({ target }: FocusEvent) => {
    const keys = keysOf(target);
    if (keys.length > 0 && wanted.current === null && !keys.includes(focused.peek() ?? "")) {
      focused.value = keys[0] ?? null;
    }
  };
  return { focused: focused.value, focus, onKeyDown, onFocus };
}

function keysOf(target: EventTarget | null): string[] {
  return (target as HTMLElement).dataset.keys?.split(" ") ?? [];
}

/** From wherever the focus is on the page. */
export function useZoomKeys(viewport: Viewport): void {
  const pan = (share: number) => (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    // Tables and diffs that have the focus are scrolled by it.
    if (target.matches("input") || !(target.matches("body, main") || target.closest(".timeline"))) return;
    event.preventDefault();
    viewport.pan(share);
  };
  useKeys({
    "+": () => viewport.zoom(ZOOM),
    "=": () => viewport.zoom(ZOOM),
    "-": () => viewport.zoom(1 / ZOOM),
    "−": () => viewport.zoom(1 / ZOOM),
    "0": viewport.showAll,
    ArrowLeft: pan(-PAN),
    ArrowRight: pan(PAN),
  });
}

/** Wheel and pointers: with ctrl or two fingers it zooms, sideways it pans; up and down is the page's. */
export function useDrag(
  root: { current: HTMLElement | null },
  axis: TimeAxis,
  viewport: Viewport,
  width: { peek(): number },
): boolean {
  const isDragging = useSignal(false);
  const latest = useRef({ axis, viewport });
  latest.current = { axis, viewport };

  useEffect(() => {
    const element = root.current;
    if (!element) return;
    const pointers = new Map<number, number>();
    let start: { x: number; range: Range; distance: number } | null = null;

    const left = () => element.querySelector(".lane-plot")?.getBoundingClientRect().left ?? 0;
    const positionAt = (x: number, { start: from, end }: Range) =>
      from + ((x - left()) / width.peek()) * (end - from);
    const spread = () => {
      const [a = 0, b = a] = pointers.values();
      return { middle: (a + b) / 2, distance: Math.abs(a - b) };
    };
    const begin = () => {
      const { middle, distance } = spread();
      start = { x: middle, range: latest.current.viewport.range, distance };
    };

    const onWheel = (event: WheelEvent) => {
      const { viewport: seen } = latest.current;
      const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        seen.zoom(Math.exp(-event.deltaY / 180), positionAt(event.clientX, seen.range));
      } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        event.preventDefault();
        seen.pan(sideways / width.peek());
      }
    };
    const onDown = (event: PointerEvent) => {
      if (event.button !== 0 || !(event.target as Element).closest(".lane-plot")) return;
      pointers.set(event.pointerId, event.clientX);
      begin();
    };
    const onMove = (event: PointerEvent) => {
      if (!pointers.has(event.pointerId) || start === null) return;
      pointers.set(event.pointerId, event.clientX);
      const { middle, distance } = spread();
      const moved = middle - start.x;
      if (!isDragging.peek() && pointers.size === 1 && Math.abs(moved) < DRAG_PIXELS) return;
      if (!isDragging.peek()) {
        isDragging.value = true;
        element.setPointerCapture(event.pointerId);
      }
      const { range } = start;
      const { viewport: seen } = latest.current;
      const factor = pointers.size === 2 && start.distance > 0 ? distance / start.distance : 1;
      const length = (range.end - range.start) / Math.max(0.01, factor);
      // What was under the fingers stays there.
      const held = positionAt(start.x, range);
      const from = held - ((middle - left()) / width.peek()) * length;
      seen.show({ start: from, end: from + length });
    };
    const onUp = (event: PointerEvent) => {
      if (!pointers.delete(event.pointerId)) return;
      if (pointers.size > 0) return begin();
      start = null;
      // The click that follows is none.
      setTimeout(() => (isDragging.value = false));
    };
    const onClick = (event: MouseEvent) => {
      if (!isDragging.peek()) return;
      event.stopPropagation();
      event.preventDefault();
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerup", onUp);
    element.addEventListener("pointercancel", onUp);
    element.addEventListener("click", onClick, { capture: true });
    return () => {
      element.removeEventListener("wheel", onWheel);
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerup", onUp);
      element.removeEventListener("pointercancel", onUp);
      element.removeEventListener("click", onClick, { capture: true });
    };
  }, []);
  return isDragging.value;
}
