/** All events: what comes now, what came before, and what is in each. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { useKeys } from "../../parts/shortcuts.ts";
import { EventList } from "../../state/event-list.ts";
import { filterOf, isEmpty, paramsOf } from "../../state/filter.ts";
import { route, setParams } from "../../state/route.ts";
import { useStore } from "../../state/store.ts";
import { EventDetail } from "./event-detail.tsx";
import { EventTable } from "./event-table.tsx";
import { FilterBar } from "./filter-bar.tsx";

export function EventsView() {
  const { feed } = useStore();
  const { params } = route.value;
  const filter = filterOf(params);
  const key = paramsOf(filter).toString();
  const isPaused = useSignal(false);
  const { value: log } = feed.log;
  const list = useMemo(() => (isEmpty(filter) ? feed.all : new EventList(filter, feed.all)), [key, log]);
  // Before anything else can come: what is between the making of the list and this would be lost from it.
  useLayoutEffect(() => {
    isPaused.value = false;
    if (list === feed.all) return;
    if (filter.q !== "") void list.loadOlder();
    const stop = feed.onArrivals((arrivals) => list.append(arrivals));
    const stopRetrying = feed.onConnected(() => {
      if (list.state.peek() === "failed") void list.loadOlder();
    });
    return () => {
      stop();
      stopRetrying();
    };
  }, [list]);

  const seq = /^[1-9]\d{0,14}$/.test(params.get("seq") ?? "") ? Number(params.get("seq")) : null;
  const select = (chosen: number | null) => setParams({ seq: chosen === null ? "" : `${chosen}` });
  useKeys({ p: () => (isPaused.value = !isPaused.value) });

  return (
    <div class={`events ${seq === null ? "" : "events-open"}`}>
      <h1 class="hidden">Events</h1>
      <FilterBar filter={filter} isPaused={isPaused} />
      <div class="events-body">
        <EventTable key={`${log} ${key}`} list={list} isPaused={isPaused} selected={seq} onSelect={select} />
        {seq !== null && <EventDetail seq={seq} list={list} newest={feed.all.lastSeq} onSelect={select} />}
      </div>
    </div>
  );
}
