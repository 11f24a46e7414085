/** The last ten minutes. */
import { useMemo } from "preact/hooks";
import { Chart, type Line } from "../../parts/chart.tsx";
import { bytes, span } from "../../parts/words.ts";
import { type Answer, eventRate, type Sample, serverFigures, WINDOW_MS } from "../../state/server-figures.ts";
import { useStore } from "../../state/store.ts";

/** Less than that is within how exactly it can be told. */
const MIN_CLOCK_DIFFERENCE_MS = 250;
const MIB = 1024 * 1024;

export function Charts({ answer, isOld }: { answer: Answer; isOld: boolean }) {
  const { feed } = useStore();
  const { value: samples } = serverFigures.samples;
  const { at, aheadMs } = answer;
  const rate = useMemo(() => {
    const { rows, state } = feed.all;
    return eventRate(rows, at - aheadMs, state.peek() === "complete");
  }, [at]);
  const series = useMemo(() => seriesOf(samples), [samples]);
  const rateLines = useMemo(
    () => [{ name: "events per second", values: rate.perSecond, colour: "--accent" }],
    [rate],
  );
  const shared = { from: at - WINDOW_MS, to: at, isOld };
  const { times } = series;

  return (
    <section class="block" aria-labelledby="charts-title">
      <div class="block-head">
        <h2 id="charts-title">Last 10 minutes</h2>
        <p class="muted">Measured while this view is seen; the events are known from before.</p>
      </div>
      <div class="charts">
        <Chart
          {...shared}
          title="Events per second"
          note="By when they reached the server."
          times={rate.times}
          lines={rateLines}
          format={perSecond}
          atLeast={1}
        />
        <Chart
          {...shared}
          title="Delivery delay"
          note={delayNote(answer)}
          times={times}
          lines={series.delays}
          format={fineSpan}
          atLeast={10}
        />
        <Chart
          {...shared}
          title="Round trip"
          note="How long a GET /health from this page takes."
          times={times}
          lines={series.roundTrip}
          format={fineSpan}
          atLeast={10}
        />
        <Chart
          {...shared}
          title="Memory"
          note={answer.stats.nodes ? "Resident, of all servers." : "Resident, of the server's process."}
          times={times}
          lines={series.memory}
          format={bytes}
          atLeast={64 * MIB}
          isBinary
        />
        <Chart
          {...shared}
          title="Log size"
          note="Of the events and their index."
          times={times}
          lines={series.log}
          format={bytes}
          atLeast={MIB}
          isBinary
        />
      </div>
    </section>
  );
}

function delayNote({ aheadMs, health }: Answer): string {
  const what = "From an event's arrival at the server to this page.";
  if (Math.abs(aheadMs) < MIN_CLOCK_DIFFERENCE_MS) return what;
  const side = aheadMs > 0 ? "ahead of" : "behind";
  return `${what} Not to be relied on: this page's clock is ${span(Math.abs(aheadMs))} ${side} that of ${health.host}.`;
}

function seriesOf(samples: readonly (Sample | null)[]) {
  const of = (value: (sample: Sample) => number | null) =>
    samples.map((sample) => (sample === null ? null : value(sample)));
  const line = (name: string, colour: string, value: (sample: Sample) => number | null): Line => {
    return { name, colour, values: of(value) };
  };
  let last = 0;
  return {
    // Where the line breaks there is no time of its own.
    times: samples.map((sample) => (last = sample?.at ?? last + 1)),
    delays: [
      line("median", "--accent", ({ delayMedianMs }) => delayMedianMs),
      line("p95", "--waiting-line", ({ delayP95Ms }) => delayP95Ms),
    ],
    roundTrip: [line("round trip", "--accent", ({ roundTripMs }) => roundTripMs)],
    memory: [line("memory", "--accent", ({ rssBytes }) => rssBytes)],
    log: [line("log size", "--accent", ({ logBytes }) => logBytes)],
  };
}

function perSecond(value: number): string {
  return `${value < 10 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value)}/s`;
}

function fineSpan(milliseconds: number): string {
  const isFine = milliseconds < 10 && milliseconds % 1 !== 0;
  return isFine ? `${milliseconds.toFixed(1)} ms` : span(milliseconds);
}
