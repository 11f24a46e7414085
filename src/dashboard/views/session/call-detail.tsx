/** What is open beside the timeline: a call with the events it began and ended with, or the one event of a mark. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JsonObject } from "../../../protocol/event.ts";
import type { Span, Story } from "../../../sessions/story.ts";
import { CopyButton } from "../../parts/copy-button.tsx";
import { Fact } from "../../parts/fact.tsx";
import { oneLine, visible } from "../../parts/text.ts";
import { clock, dayAndClock, span as spanWords } from "../../parts/words.ts";
import { type Row, rowOf } from "../../state/row.ts";
import type { SessionSource } from "../../state/session-source.ts";
import { EventBody } from "../events/event-detail.tsx";
import { callTitle, inProject, laneName, outcomeOf, OUTCOME_WORDS, shortAgent } from "./call-words.ts";

interface CallDetailProps {
  seq: number;
  story: Story;
  source: SessionSource;
  project: string | null;
  now: number;
  onSelect: (seq: number | null) => void;
  onZoom: (span: Span) => void;
}

const MAX_MESSAGE_CHARS = 2000;

export function CallDetail({ seq, story, source, project, now, onSelect, onZoom }: CallDetailProps) {
  const lane = story.lanes.find(({ spans }) => spans.some((span) => span.seq === seq));
  const at = lane?.spans.findIndex((span) => span.seq === seq) ?? -1;
  const span = lane?.spans[at];
  const ends = span?.endSeq ?? null;
  const side = useSignal<"begin" | "end">("end");
  const hasEnd = ends !== null && ends !== seq;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    // Where it stands below the timeline it would not be seen.
    if (matchMedia("(max-width: 1000px)").matches) panel.current?.scrollIntoView({ block: "start" });
  }, []);
  const shown = hasEnd && side.value === "end" ? ends : seq;

  return (
    <aside
      ref={panel}
      class={`detail call-detail${span ? " call-detail-span" : ""}`}
      aria-label={span ? `Call ${callTitle(span, project)}` : `Event ${seq}`}
    >
      <div class="detail-head">
        <h2>{span ? oneLine(span.tool) : `Event ${seq}`}</h2>
        <div class="detail-actions">
          {span && lane && (
            <>
              <Step label="Previous call" sign="←" to={lane.spans[at - 1]} onSelect={onSelect} />
              <Step label="Next call" sign="→" to={lane.spans[at + 1]} onSelect={onSelect} />
              <button type="button" onClick={() => onZoom(span)}>
                Zoom to it
              </button>
            </>
          )}
          <button type="button" onClick={() => onSelect(null)}>
            Close
          </button>
        </div>
      </div>
      {span && lane && (
        <>
          {span.argument !== "" && (
            <pre class="call-argument">{visible(inProject(span.argument, project))}</pre>
          )}
          {span.message !== null && (
            <p class="failure">{visible(span.message.slice(0, MAX_MESSAGE_CHARS))}</p>
          )}
          <dl class="facts">
            <Fact name="outcome">
              <span class={`outcome outcome-${outcomeOf(span)}`}>{OUTCOME_WORDS[outcomeOf(span)]}</span>
            </Fact>
            <Fact name="began">{timeWords(span.startedAt, now)}</Fact>
            {span.endedAt !== null && <Fact name="ended">{timeWords(span.endedAt, now)}</Fact>}
            <Fact name={span.endedAt === null ? "so far" : "took"}>{tookWords(span, now)}</Fact>
            <Waited span={span} story={story} now={now} />
            <Fact name="agent">
              {laneName(lane)} <span class="id">{shortAgent(lane.agentId)}</span>
            </Fact>
          </dl>
          <div class="call-events" role="group" aria-label="Event">
            <button type="button" aria-pressed={shown === seq} onClick={() => (side.value = "begin")}>
              Begins · event {seq}
            </button>
            <button
              type="button"
              aria-pressed={shown !== seq}
              disabled={!hasEnd}
              onClick={() => (side.value = "end")}
            >
              {hasEnd ? `Ends · event ${ends}` : "No end yet"}
            </button>
          </div>
        </>
      )}
      <EventOf key={shown} seq={shown} source={source} />
    </aside>
  );
}

interface StepProps {
  label: string;
  sign: string;
  to: Span | undefined;
  onSelect: (seq: number) => void;
}

function Step({ label, sign, to, onSelect }: StepProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={!to}
      onClick={() => to && onSelect(to.seq)}
    >
      {sign}
    </button>
  );
}

function Waited({ span: { toolUseId }, story, now }: { span: Span; story: Story; now: number }) {
  const waits = toolUseId === null ? [] : story.waits.filter((wait) => wait.toolUseId === toolUseId);
  if (waits.length === 0) return null;
  const total = waits.reduce((sum, { from, to }) => sum + Math.max(0, (to ?? now) - from), 0);
  return (
    <Fact name="waited">
      {spanWords(total)} for {waits.some(({ kind }) => kind === "permission") ? "permission" : "an answer"}
    </Fact>
  );
}

type Loaded = { event: JsonObject; row: Row } | "loading" | "gone" | { problem: string };

function EventOf({ seq, source }: { seq: number; source: SessionSource }) {
  const loaded = useSignal<Loaded>("loading");
  useEffect(() => {
    let isWanted = true;
    source.event(seq).then(
      (event) => {
        if (isWanted) loaded.value = event === null ? "gone" : { event, row: rowOf(event) };
      },
      (error: unknown) => {
        if (isWanted) loaded.value = { problem: error instanceof Error ? error.message : String(error) };
      },
    );
    return () => void (isWanted = false);
  }, [seq, source]);

  const { value } = loaded;
  if (value === "loading") return <p class="muted">Loading…</p>;
  if (value === "gone") return <p>The log no longer holds this event.</p>;
  if ("problem" in value) return <p class="problem">{value.problem}</p>;
  return (
    <>
      <p class="call-copy">
        <CopyButton label="Copy JSON" text={() => JSON.stringify(value.event, null, 2)} shortcut="c" />
      </p>
      <EventBody {...value} />
    </>
  );
}

function timeWords(time: number, now: number): string {
  const day = dayAndClock(time, now).split(" ");
  return [...day.slice(0, -1), clock(time, true)].join(" ");
}

function tookWords({ endedAt, durationMs, startedAt }: Span, now: number): string {
  if (endedAt === null) return spanWords(Math.max(0, now - startedAt));
  return durationMs === null ? "not known" : spanWords(durationMs);
}
