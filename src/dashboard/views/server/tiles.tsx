/** Single figures. */
import type { Stats } from "../../../protocol/messages.ts";
import { oneLine } from "../../parts/text.ts";
import { age, bytes, count, dayAndClock } from "../../parts/words.ts";
import { now } from "../../state/clock.ts";
import type { Answer } from "../../state/server-figures.ts";

interface Tile {
  name: string;
  value: string;
  note: string;
  /** Something to look at. */
  tone?: "warning" | "bad" | undefined;
  /** An id, which may be long. */
  isId?: boolean;
}

export function Tiles({ answer }: { answer: Answer }) {
  return (
    <section aria-label="Figures">
      <dl class="tiles">
        {tilesOf(answer).map(({ name, value, note, tone, isId }) => (
          <div key={name} class={`tile ${tone ? `tile-${tone}` : ""}`}>
            <dt>{name}</dt>
            <dd>
              <span class={isId ? "tile-value tile-id" : "tile-value"}>{value}</span>
              <span class="tile-note">{note}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** What the tiles say. */
export function tilesOf({ health, stats }: Answer): Tile[] {
  const { log, delivery, events, connections, memory, errors } = stats;
  const { dependencies } = health;
  return [
    {
      name: "Server id",
      value: oneLine(health.server_id),
      note: `${oneLine(health.host)}, port ${health.port}`,
      isId: true,
    },
    {
      name: "Version",
      value: oneLine(health.server_version),
      note: `Socket.IO ${oneLine(dependencies.socketio_version)}, Bun ${oneLine(dependencies.bun_version)}`,
    },
    {
      name: "Uptime",
      value: age(health.uptime_seconds * 1000),
      note: `PID ${health.pid}, since ${dayAndClock(Date.parse(health.start_time), now.peek())}`,
    },
    {
      name: "Clients",
      value: count(connections.current_clients),
      note: `${count(connections.total_served)} since the start`,
    },
    {
      name: "Events stored",
      value: count(events.history_size),
      note: `${count(events.total_processed)} came since the start`,
    },
    { name: "Log", value: bytes(log.bytes), note: logNote(log) },
    { name: "Memory", value: bytes(memory.rss), note: stats.nodes ? "resident, of all servers" : "resident" },
    {
      name: "Failed or refused",
      value: count(errors),
      note: "since the start, clients' mistakes too; the check errors tells of the server's own",
    },
    {
      name: "Lagging clients",
      value: count(delivery.lagging_clients),
      note: `${count(delivery.catch_ups, "catch-up")} from the log since the start`,
      tone: delivery.lagging_clients > 0 ? "warning" : undefined,
    },
    {
      name: "Dropped",
      value: count(delivery.dropped),
      note: delivery.dropped === 0 ? "who is slow is fed from the log" : "events that clients did not get",
      tone: delivery.dropped > 0 ? "bad" : undefined,
    },
  ];
}

function logNote({ first_seq: first, last_seq: last, index_backlog: backlog }: Stats["log"]): string {
  const held = last >= first ? `events ${count(first)} to ${count(last)}` : "holds no event";
  return `${held}; search ${backlog === 0 ? "is up to date" : `has ${count(backlog)} still to index`}`;
}
