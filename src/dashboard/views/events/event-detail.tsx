/** One event, whole: what it changed, its JSON, and what it belongs to. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JsonObject } from "../../../protocol/event.ts";
import { lastSegment, shortSession } from "../../../sessions/names.ts";
import { CopyButton } from "../../parts/copy-button.tsx";
import { diffsOf } from "../../parts/diffs-of.ts";
import { Diff } from "../../parts/diff.tsx";
import { Fact } from "../../parts/fact.tsx";
import { JsonTree } from "../../parts/json-tree.tsx";
import { useKeys } from "../../parts/shortcuts.ts";
import { oneLine } from "../../parts/text.ts";
import { ViewLink } from "../../parts/view-link.tsx";
import { clock, dayAndClock, span } from "../../parts/words.ts";
import { now } from "../../state/clock.ts";
import { getEvent, problemText } from "../../state/api.ts";
import type { EventList } from "../../state/event-list.ts";
import { MAIN_AGENT } from "../../state/filter.ts";
import { linkTo } from "../../state/route.ts";
import { type Row, rowOf } from "../../state/row.ts";

type Loaded = { event: JsonObject; row: Row } | "loading" | "gone" | { problem: string };

interface EventDetailProps {
  seq: number;
  list: EventList;
  /** The last seq there is. */
  newest: number;
  onSelect: (seq: number | null) => void;
}

export function EventDetail({ seq, list, newest, onSelect }: EventDetailProps) {
  const loaded = useSignal<Loaded>("loading");
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    let isWanted = true;
    getEvent(seq).then(
      (event) => {
        if (!isWanted) return;
        loaded.value = event === null ? "gone" : { event, row: rowOf(event) };
        panel.current?.scrollTo(0, 0);
      },
      (error: unknown) => {
        if (isWanted) loaded.value = { problem: problemText(error) };
      },
    );
    return () => void (isWanted = false);
  }, [seq]);
  useKeys({ Escape: () => onSelect(null) });

  const step = (by: 1 | -1) => {
    let at = list.rows.findIndex((row) => row.seq === seq);
    do at += by;
    while (list.rows[at]?.gap);
    const next = list.rows[at];
    if (next) onSelect(next.seq);
  };
  const { value } = loaded;
  return (
    <aside class="detail" ref={panel} aria-label={`Event ${seq}`}>
      <div class="detail-head">
        <h2>Event {seq}</h2>
        <div class="detail-actions">
          <button type="button" aria-label="Previous event" onClick={() => step(-1)}>
            ↑
          </button>
          <button type="button" aria-label="Next event" onClick={() => step(1)}>
            ↓
          </button>
          {typeof value === "object" && "event" in value && <CopyEvent event={value.event} />}
          <button type="button" onClick={() => onSelect(null)}>
            Close
          </button>
        </div>
      </div>
      {value === "loading" && <p class="muted">Loading…</p>}
      {value === "gone" && <Gone row={list.rows.find((row) => row.seq === seq)} isToCome={seq > newest} />}
      {typeof value === "object" && "problem" in value && <p class="problem">{value.problem}</p>}
      {typeof value === "object" && "event" in value && <EventBody {...value} />}
    </aside>
  );
}

function Gone({ row, isToCome }: { row: Row | undefined; isToCome: boolean }) {
  if (isToCome) return <p>There is no such event yet.</p>;
  return (
    <>
      <p>The log no longer holds this event{row ? "; this is what is left of it here:" : "."}</p>
      {row && (
        <p class="detail-text">
          {dayAndClock(row.time, now.peek())} {oneLine(row.type)}: {row.text}
        </p>
      )}
    </>
  );
}

function CopyEvent({ event }: { event: JsonObject }) {
  const text = () => JSON.stringify(event, null, 2);
  return <CopyButton label="Copy JSON" text={text} shortcut="c" />;
}

/** Also shown where a timeline's call is opened. */
export function EventBody({ event, row }: { event: JsonObject; row: Row }) {
  const { type, sessionId, project, agentId, agentType, tool, time, receivedAt, durationMs } = row;
  const diffs = diffsOf(event);
  return (
    <div class="detail-body">
      <p class={row.failed ? "detail-text failure" : "detail-text"}>{row.text}</p>
      <dl class="facts">
        <Fact name="type">
          <ViewLink href={linkTo("events", { type })}>{oneLine(type) || "none"}</ViewLink>
        </Fact>
        <Fact name="time">
          {dayAndClock(time, now.peek())}
          <span class="muted">
            {" "}
            {receivedAt - time > 1000
              ? `(reached the server at ${clock(receivedAt)}, ${span(receivedAt - time)} later)`
              : ""}
          </span>
        </Fact>
        {sessionId !== null && (
          <Fact name="session">
            <ViewLink href={linkTo("session", {}, sessionId)} title={oneLine(sessionId)}>
              {oneLine(shortSession(sessionId))}
            </ViewLink>
          </Fact>
        )}
        {project !== null && (
          <Fact name="project">
            <ViewLink href={linkTo("events", { project })} title={oneLine(project)}>
              {oneLine(lastSegment(project))}
            </ViewLink>
          </Fact>
        )}
        {(agentId !== null || agentType !== null) && (
          <Fact name="agent">
            <ViewLink
              href={linkTo("events", {
                agent: agentId ?? MAIN_AGENT,
                ...(sessionId ? { session: sessionId } : {}),
              })}
            >
              {oneLine([agentType, agentId?.slice(0, 7)].filter(Boolean).join(" ")) || MAIN_AGENT}
            </ViewLink>
          </Fact>
        )}
        {tool !== null && (
          <Fact name="tool">
            <ViewLink href={linkTo("events", { tool })}>{oneLine(tool)}</ViewLink>
          </Fact>
        )}
        {durationMs !== null && <Fact name="took">{span(durationMs)}</Fact>}
      </dl>
      {diffs.map((diff, index) => (
        <Diff key={index} {...diff} />
      ))}
      <h3>JSON</h3>
      <JsonTree value={event} />
    </div>
  );
}
