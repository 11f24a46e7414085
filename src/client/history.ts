/** Reads stored events over `GET /api/events`, page after page. */
import { parseExactJson } from "../protocol/json.ts";
import { isObject, type JsonObject } from "../protocol/event.ts";
import type { LogPosition } from "../protocol/messages.ts";
import { ask, type Endpoint, refusalIn } from "./http.ts";

export interface HistoryQuestion {
  /** `session_id`, `project`, `type`, `since`, `until`, `q`, as `GET /api/events` takes them. */
  filter: URLSearchParams;
  /** Exclusive. */
  after?: number;
  /** Exclusive. */
  before?: number;
  /** The newest so many that match; Infinity is all. */
  limit: number;
}

export interface HistoryPage extends LogPosition {
  /** Oldest first, with numbers kept as they were written. */
  events: (JsonObject & { seq: number })[];
  /** How many events of the whole log match the filter. */
  total_available: number;
}

const PAGE = 1000;
const TIMEOUT_MS = 60_000;

/**
 * One page, of at most 1000 events and a few MiB: fewer than asked for does not mean that there are no more. Without
 * `after` the newest, with it the ones that follow. Throws a `ServerRefusal`, or what the system says of the connection.
 */
export async function readPage(
  server: Endpoint,
  { filter, after, before, limit }: HistoryQuestion,
): Promise<HistoryPage> {
  const query = new URLSearchParams(filter);
  query.set("limit", `${Math.min(limit, PAGE)}`);
  if (after !== undefined) query.set("after", `${after}`);
  if (before !== undefined) query.set("before", `${before}`);
  const { status, text } = await ask(server, `/api/events?${query}`, { timeoutMs: TIMEOUT_MS });
  if (status !== 200) throw refusalIn(status, text) ?? new Error(`${server.url} answers HTTP ${status}`);
  const page = parseExactJson(text);
  if (!isObject(page) || !Array.isArray(page.events))
    throw new Error(`${server.url} answers with no history`);
  return page as unknown as HistoryPage;
}

/**
 * The events that answer a question, oldest first, in at least one page; what comes in meanwhile is left out. Only a
 * page is held at a time, however many are asked for: where they begin is found out before the first is given.
 */
export async function* readHistory(server: Endpoint, question: HistoryQuestion): AsyncGenerator<HistoryPage> {
  const { after: floor = 0, ...unbounded } = question;
  const { filter, limit } = question;
  const newest = await readPage(server, { ...unbounded, limit: limit === Infinity ? 0 : limit });
  const before = question.before ?? newest.last_seq + 1;
  const oldest = newest.events[0]?.seq ?? before;
  const events = newest.events.filter(({ seq }) => seq > floor);
  const isAll =
    newest.events.length === newest.total_available ||
    events.length < newest.events.length ||
    oldest <= Math.max(floor + 1, newest.first_seq);
  if (limit !== Infinity && (events.length === limit || isAll)) return void (yield { ...newest, events });

  const earlier = { filter, after: floor, before: oldest, limit: limit - events.length };
  let after = limit === Infinity ? floor : await startOf(server, earlier);
  let missing = limit;
  let page: HistoryPage;
  do {
    page = await readPage(server, { filter, after, before, limit: missing });
    yield page;
    missing -= page.events.length;
    after = page.events.at(-1)?.seq ?? after;
  } while (missing > 0 && page.events.length > 0);
}

/** The position after which the newest `limit` of the matching events lie, or all of them when they are fewer. */
async function startOf(server: Endpoint, question: Required<HistoryQuestion>): Promise<number> {
  let { before, limit: missing } = question;
  while (missing > 0) {
    const { events } = await readPage(server, { filter: question.filter, before, limit: missing });
    const inRange = events.filter(({ seq }) => seq > question.after);
    const [oldest] = inRange;
    if (!oldest) break;
    before = oldest.seq;
    missing -= inRange.length;
  }
  return before - 1;
}
