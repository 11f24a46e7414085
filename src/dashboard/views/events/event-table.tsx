/**
 * The rows that are in view, of however many there are. All are of one height, so which these are is a division: a
 * library that measures each row takes 1.9 ms of every frame at 100,000 of them (@tanstack/virtual-core 3.19).
 */
import { type Signal, useSignal } from "@preact/signals";
import { Component } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { lastSegment, shortSession } from "../../../sessions/names.ts";
import { visible } from "../../parts/text.ts";
import { clock, count, dayAndClock, fraction } from "../../parts/words.ts";
import { now } from "../../state/clock.ts";
import type { EventList } from "../../state/event-list.ts";
import type { Row } from "../../state/row.ts";

/** Pixels; the same stands in the style sheet. */
const ROW_HEIGHT = 26;
/** Rows drawn above and below what is seen. */
const MARGIN = 12;
/** Pixels of the list in a window of a common size. */
const USUAL_HEIGHT = 600;
/** So near the beginning older ones are loaded. */
const NEAR_START = 60;

interface EventTableProps {
  list: EventList;
  isPaused: Signal<boolean>;
  selected: number | null;
  onSelect: (seq: number | null) => void;
}

export function EventTable({ list, isPaused, selected, onSelect }: EventTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  // What will be seen, as far as it can be told before it is measured: other rows would be drawn for nothing.
  const height = useSignal(USUAL_HEIGHT);
  const top = useSignal(selected === null ? Math.max(0, list.rows.length * ROW_HEIGHT - USUAL_HEIGHT) : 0);
  const follows = useSignal(selected === null);
  const held = useRef<{ rows: readonly Row[]; appended: number; events: number } | null>(null);
  const seen = useRef({
    shift: list.shift,
    top: 0,
    selected: null as number | null,
    wanted: null as number | null,
  });

  void list.version.value;
  if (isPaused.value)
    held.current ??= { rows: list.rows.slice(), appended: list.appended, events: list.eventCount };
  else held.current = null;
  const rows = held.current?.rows ?? list.rows;
  const missed = list.appended - (held.current?.appended ?? list.appended);

  // What was put before or cut off above must not move what somebody looks at.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const moved = held.current === null ? list.shift - seen.current.shift : 0;
    if (held.current === null) seen.current.shift = list.shift;
    if (selected !== seen.current.selected) {
      // Chosen elsewhere, by a link or the back button: where it is seen already nothing moves.
      const at = selected === null ? -1 : indexOf(rows, selected) * ROW_HEIGHT;
      const isSeen = at >= element.scrollTop && at <= element.scrollTop + element.clientHeight - ROW_HEIGHT;
      seen.current.wanted = isSeen ? null : selected;
      seen.current.selected = selected;
    }
    const index = seen.current.wanted === null ? -1 : indexOf(rows, seen.current.wanted);
    if (index !== -1) {
      seen.current.wanted = null;
      follows.value = false;
      element.scrollTop = index * ROW_HEIGHT - element.clientHeight / 3;
    } else if (follows.value) element.scrollTop = rows.length * ROW_HEIGHT;
    else if (moved !== 0) element.scrollTop += moved * ROW_HEIGHT;
    seen.current.top = element.scrollTop;
    top.value = element.scrollTop;
  });

  // Behind the one above, whose scrolling lays the page out: neither the height nor the focus then does so again.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    height.value = element.clientHeight;
    const { activeElement } = document;
    if (activeElement === document.body || activeElement?.matches("main, a")) {
      element.focus({ preventScroll: true });
    }
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    const { scrollTop, clientHeight, scrollHeight } = element;
    // Rows that come push the end away; only who scrolls up has left it.
    if (scrollTop < seen.current.top - 1) follows.value = false;
    if (scrollTop + clientHeight >= scrollHeight - ROW_HEIGHT) follows.value = true;
    seen.current.top = scrollTop;
    top.value = scrollTop;
  };

  const first = Math.max(0, Math.floor(top.value / ROW_HEIGHT) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW_HEIGHT) + MARGIN);
  const isDrawn = selected !== null && rows.slice(first, last).some(({ seq }) => seq === selected);
  const isNearStart = first < NEAR_START && !isPaused.value;
  const { value: state } = list.state;
  useEffect(() => {
    if (isNearStart && state === "more" && !follows.value) void list.loadOlder();
  }, [isNearStart, state, rows.length]);
  useEffect(() => {
    // Few fit: what is there does not fill the view.
    if (rows.length * ROW_HEIGHT < height.value && state === "more") void list.loadOlder();
  }, [rows.length, state]);

  const goTo = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    const element = scroller.current;
    if (!row || !element) return;
    const at = indexOf(rows, row.seq) * ROW_HEIGHT;
    follows.value = false;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + ROW_HEIGHT > element.scrollTop + element.clientHeight)
      element.scrollTop = at + ROW_HEIGHT - element.clientHeight;
    onSelect(row.seq);
  };
  const toEnd = () => {
    isPaused.value = false;
    follows.value = true;
    onSelect(null);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const at = selected === null ? -1 : indexOf(rows, selected);
    const page = Math.floor(height.value / ROW_HEIGHT) - 1;
    // The newest, or of older ones the first that is seen.
    const start = follows.value ? rows.length - 1 : Math.ceil(top.value / ROW_HEIGHT);
    const steps: Record<string, () => void> = {
      ArrowDown: () => goTo(at === -1 ? start : at + 1),
      ArrowUp: () => goTo(at === -1 ? start : at - 1),
      j: () => goTo(at === -1 ? start : at + 1),
      k: () => goTo(at === -1 ? start : at - 1),
      PageDown: () => goTo(at + page),
      PageUp: () => goTo(at - page),
      Home: () => goTo(0),
      End: toEnd,
      Escape: () => onSelect(null),
    };
    const step = Object.hasOwn(steps, event.key) ? steps[event.key] : undefined;
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step();
  };

  return (
    <div class="event-table">
      <div class="event-head" aria-hidden="true">
        <span>time</span>
        <span>session</span>
        <span>project</span>
        <span>type</span>
        <span>what</span>
      </div>
      <div
        ref={scroller}
        class="event-rows"
        role="listbox"
        tabIndex={0}
        data-item
        aria-label={`Events, ${count(rows.length, "row")}`}
        aria-activedescendant={isDrawn ? rowId(selected) : undefined}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        <div class="event-canvas" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
          {rows.slice(first, last).map((row, index) => (
            <EventRow
              key={row.gap ? `gap${row.seq}` : row.seq}
              row={row}
              top={(first + index) * ROW_HEIGHT}
              position={first + index + 1}
              total={rows.length}
              isSelected={row.seq === selected && row.gap === null}
              onSelect={onSelect}
            />
          ))}
        </div>
        {rows.length === 0 && <NoRows list={list} />}
      </div>
      <div class="event-foot">
        <span role="status">{footText(list, held.current?.events ?? list.eventCount)}</span>
        {isPaused.value ? (
          <button type="button" class="primary" onClick={toEnd}>
            Paused · {count(missed, "new event")} · go on
          </button>
        ) : (
          !follows.value &&
          last < rows.length && (
            <button type="button" onClick={toEnd}>
              To the newest ↓
            </button>
          )
        )}
      </div>
    </div>
  );
}

interface EventRowProps {
  row: Row;
  top: number;
  position: number;
  total: number;
  isSelected: boolean;
  onSelect: (seq: number) => void;
}

/** Drawn again only when something of it is another: of some fifty rows, a few change with a frame. */
class EventRow extends Component<EventRowProps> {
  override shouldComponentUpdate(next: EventRowProps): boolean {
    const { row, top, isSelected } = this.props;
    return next.row !== row || next.top !== top || next.isSelected !== isSelected;
  }

  override render({ row, top, position, total, isSelected, onSelect }: EventRowProps) {
    const { seq, gap, failed, time, sessionId, project, type, text, suffix } = row;
    const style = { transform: `translateY(${top}px)` };
    if (gap !== null) {
      return (
        <div class="event-row event-gap" role="option" aria-selected="false" style={style}>
          {text}
        </div>
      );
    }
    return (
      <div
        id={rowId(seq)}
        role="option"
        class={`event-row${failed ? " event-failed" : ""}`}
        aria-selected={isSelected}
        aria-posinset={position}
        aria-setsize={total}
        data-seq={seq}
        style={style}
        onClick={() => onSelect(seq)}
      >
        <span class="event-time" title={dayAndClock(time, now.peek())}>
          <TimeOfRow time={time} />
        </span>
        <span class="event-session">{visible(shortSession(sessionId))}</span>
        <span class="event-project">{project === null ? "" : visible(lastSegment(project))}</span>
        <span class="event-type">{visible(type)}</span>
        <span class="event-text">
          {text}
          {suffix !== "" && <span class="muted"> ({suffix})</span>}
        </span>
      </div>
    );
  }
}

/** Of another day, the day is more than the milliseconds. */
function TimeOfRow({ time }: { time: number }) {
  const at = new Date(time);
  if (at.toDateString() === new Date(now.peek()).toDateString()) {
    return (
      <>
        {clock(time)}
        <span class="event-ms">{fraction(time)}</span>
      </>
    );
  }
  const day = [at.getMonth() + 1, at.getDate()].map((part) => `${part}`.padStart(2, "0")).join("-");
  return (
    <>
      <span class="event-day">{day} </span>
      {clock(time)}
    </>
  );
}

function NoRows({ list }: { list: EventList }) {
  const { value: state } = list.state;
  if (state === "loading") return <p class="empty">Looking…</p>;
  if (state === "failed") return <p class="empty">{list.problem}</p>;
  return (
    <p class="empty">{list.isFiltered ? "No event fits." : "No event yet. They appear here as they come."}</p>
  );
}

function footText(list: EventList, amount: number): string {
  const { value: state } = list.state;
  const events = count(amount, "event");
  if (state === "loading") return `${events}, loading older ones…`;
  if (state === "failed") return `${events}; older ones could not be loaded: ${list.problem}`;
  return state === "complete"
    ? `${events}, all there are${list.isFiltered ? " of these" : ""}`
    : `the newest ${events}`;
}

function rowId(seq: number): string {
  return `event-${seq}`;
}

/** Rows stand in the order of their seq. */
function indexOf(rows: readonly Row[], seq: number): number {
  let low = 0;
  let high = rows.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = rows[middle]?.seq ?? 0;
    if (found === seq) return middle;
    if (found < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
