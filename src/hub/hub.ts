/** The middle of the house: events in, stored, out again. One file per verb beside this one. */
import type {
  AppendedEvent,
  EventLog,
  Forgotten,
  HistoryPart,
  LogSize,
  RemoteFigures,
  Restored,
} from "../log/log.ts";
import type { HealthCheck, LogPosition } from "../protocol/messages.ts";
import type { ForgetBefore, HistoryQuery, ResumePosition } from "../protocol/query.ts";
import { type Clients, createClients } from "./clients.ts";
import { createDelivery, type Delivery } from "./delivery.ts";
import { type HistoryPage, readHistory } from "./history.ts";
import { forget } from "./forgetting.ts";
import { createIngest } from "./ingest.ts";
import { restorePart, type Snapshot, takeSnapshot } from "./moving.ts";
import { createMeasures, type Measures, type Way } from "./measures.ts";
import { createStamp, stampBatch } from "./publish.ts";
import type { Redaction } from "./redaction.ts";
import { follow } from "./follow.ts";
import { createSameHook } from "./same-hook.ts";
import { createSessions, type Sessions } from "./sessions.ts";

export interface HubOptions {
  log: EventLog;
  serverId: string;
  maxEventBytes: number;
  /** Masks secrets in what comes in; without it events pass as they are. */
  redaction?: Redaction;
  /** Told of failures that have no caller to go to. */
  onError?: (error: unknown) => void;
  /** Told of what the log has lost, or was made to forget. */
  warn?: (message: string, fields: Record<string, string | number>) => void;
}

export interface Hub {
  clients: Clients;
  subscribe: Delivery["subscribe"];
  dismiss: Delivery["dismiss"];
  receivers: Delivery["receivers"];
  sessions: Pick<Sessions, "list" | "get">;

  /** To be awaited before anything is published: of a hook registered twice one may have been stored before a restart. */
  recall(): Promise<void>;
  /** Stores one event; resolves once it is in the log. `origin` does not get it back. */
  publish(input: unknown, origin?: string, way?: Way): Promise<AppendedEvent>;
  /** Stores a batch, all of it or, with `invalid_events`, nothing. */
  publishBatch(inputs: readonly unknown[], way?: Way): Promise<AppendedEvent[]>;
  history(query: HistoryQuery): Promise<HistoryPage>;
  /** All that is held at this moment. */
  snapshot(): Promise<Snapshot>;
  /** Stores a part of another log's history, as `EventLog.restore` does, and sends it on. */
  restore(part: HistoryPart): Promise<Restored>;
  /** Forgets events for good, as `EventLog.forget` does, and their sessions. Whoever is connected is told nothing. */
  forget(before: ForgetBefore): Promise<Forgotten>;
  /**
   * Waits for a position that a client has got from another node, which this one may not have reached yet; null where
   * there is nothing to wait for. The whole is null where a log is nobody else's.
   */
  reach: ((resume: ResumePosition) => Promise<void> | null) | null;

  /** How many events wait for the next commit. */
  pending(): number;
  /** The log as the live feed has reached it. */
  position(): LogPosition;
  countError(): void;
  /** New events since the start. */
  eventsProcessed(): number;
  stats(): HubStats;
  measures: Readonly<Measures>;
  census: Delivery["census"];
  checks(): HealthCheck[];
  /** Takes no more events; resolves once those accepted are stored, sent on and acknowledged. */
  drain(): Promise<void>;
  /** Drains, and closes the log. */
  close(): Promise<void>;
}

export interface HubStats {
  events_processed: number;
  errors: number;
  /** Milliseconds since the epoch; null before the first event. */
  last_activity: number | null;
  log: LogSize;
  /** Null for a log on this machine. */
  remote: RemoteFigures | null;
  delivery: ReturnType<Delivery["stats"]>;
  /** Secrets masked, by kind. */
  redacted: Record<string, number>;
}

/** Newest events looked through for hooks by `recall`: more than come in two seconds, and read in a millisecond. */
const RECALLED = 200;

/** Joins the parts of the hub around one log. */
export function createHub({
  log,
  serverId,
  maxEventBytes,
  redaction,
  onError = () => {},
  warn = () => {},
}: HubOptions): Hub {
  let eventsProcessed = 0;
  let errors = 0;
  let lastActivity: number | null = null;

  const countError = () => {
    errors += 1;
  };
  const sameHook = createSameHook();
  const stamp = createStamp({
    serverId,
    maxEventBytes,
    sameHook,
    redact: () => redaction?.current() ?? null,
  });
  const report = (error: unknown) => {
    countError();
    onError(error);
  };
  const measures = createMeasures();
  const delivery = createDelivery(log, report, measures);
  const sessions = createSessions({ delivery, onError: report });
  follow(log, {
    delivery,
    sameHook,
    onRewound: sessions.restart,
    onForgotten: sessions.restart,
    report,
    warn,
  });
  const ingest = createIngest({
    log,
    measures,
    onStored(appended, origins) {
      eventsProcessed += appended.filter(({ stored }) => stored !== null).length;
      lastActivity = Date.now();
      // Another way has brought them out by now.
      if (log.follow) return;
      try {
        delivery.deliver(appended, origins);
      } catch (error) {
        // Their senders, and all who come after them, must not wait for ever.
        report(error);
      }
    },
  });

  const reach: Hub["reach"] = log.settle
    ? (resume) =>
        resume.seq > delivery.deliveredSeq() || log.locate(resume).gap ? (log.settle?.() ?? null) : null
    : null;

  return {
    clients: createClients(),
    subscribe: delivery.subscribe,
    dismiss: delivery.dismiss,
    receivers: delivery.receivers,
    census: delivery.census,
    measures,
    sessions,

    async recall() {
      try {
        const { events } = await log.query({ filter: {}, limit: RECALLED });
        for (const { id } of events) sameHook(id);
      } catch (error) {
        onError(error);
      }
    },

    async publish(input, origin, way) {
      const [appended] = await ingest.enqueue([stamp(input)], origin, way);
      return appended as AppendedEvent;
    },

    async publishBatch(inputs, way) {
      const events = stampBatch(inputs, stamp);
      return events.length === 0 ? [] : ingest.enqueue(events, undefined, way);
    },

    async snapshot() {
      await log.settle?.();
      return takeSnapshot(log, delivery.deliveredSeq());
    },
    restore: (part) => ingest.alone(() => restorePart(log, delivery, part)),
    async forget(before) {
      const result = await forget(log, delivery.deliveredSeq, before);
      // A log that is followed has told of it.
      if (!log.follow) sessions.restart();
      const { forgotten, first_seq } = result;
      warn("the history was cleared, as somebody with the right to has asked", { forgotten, first_seq });
      return result;
    },

    pending: ingest.pending,
    async history(query) {
      if (query.after !== undefined) await reach?.({ epoch: delivery.epoch(), seq: query.after });
      return readHistory(log, query);
    },
    reach,
    position() {
      const last_seq = delivery.deliveredSeq();
      return {
        epoch: delivery.epoch(),
        first_seq: Math.min(log.position().first_seq, last_seq + 1),
        last_seq,
      };
    },
    countError,
    eventsProcessed: () => eventsProcessed,
    stats: () => ({
      events_processed: eventsProcessed,
      errors,
      last_activity: lastActivity,
      log: log.size(),
      remote: log.remote?.() ?? null,
      delivery: delivery.stats(),
      redacted: redaction?.counts() ?? {},
    }),
    checks: () => [log.check()],

    async drain() {
      await ingest.close();
      delivery.end();
    },
    async close() {
      await ingest.close();
      sessions.close();
      await log.close();
    },
  };
}
