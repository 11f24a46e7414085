/** The server's answers over HTTP. */
import { parseExactJson } from "../../protocol/json.ts";
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { ClientList, Health, LogPosition, Session, Stats } from "../../protocol/messages.ts";

/** What the server refused, in its own words, with the next step. */
export class ApiError extends Error {}

/** For people; a server that is away says nothing itself. */
export function problemText(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return "The server does not answer.";
}

/** Nothing was heard of the server. */
export class NoAnswer extends Error {}

export interface HistoryAnswer extends LogPosition {
  events: unknown[];
  total_available: number;
}

const TIMEOUT_MS = 30_000;

export function getHistory(query: URLSearchParams): Promise<HistoryAnswer> {
  return getJson<HistoryAnswer>(`api/events?${query}`);
}

/** One event whole, or null when the log no longer holds it. */
export async function getEvent(seq: number): Promise<JsonObject | null> {
  const { events } = await getJson<HistoryAnswer>(`api/events?after=${seq - 1}&limit=1`);
  const [event] = events;
  return isObject(event) && event.seq === seq ? event : null;
}

/** Newest activity first. */
export async function getSessions(limit: number): Promise<Session[]> {
  return (await getJson<{ sessions: Session[] }>(`api/sessions?limit=${limit}`)).sessions;
}

export const getSession = (id: string) =>
  getJson<Session>(`api/sessions/${encodeURIComponent(id.toWellFormed())}`);
export const getStats = () => getJson<Stats>("stats");
export const getClients = () => getJson<ClientList>("api/clients");

/** Answers with 503 where the server is not well, and says all the same what is wrong. */
export const getHealth = () => getJson<Health>("health", [503]);

const READY_TIMEOUT_MS = 3000;

/** Whether the server answers at all, whatever it says. */
export async function isReady(): Promise<boolean> {
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  return fetch(new URL("ready", location.origin), { signal }).then(
    () => true,
    () => false,
  );
}

async function getJson<T>(path: string, accepted: readonly number[] = []): Promise<T> {
  const { response, text } = await ask(path);
  const body = read(text);
  if (response.ok || accepted.includes(response.status)) return body as T;
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  const said = [error.message ?? `The server answers ${response.status}`, error.hint];
  throw new ApiError(`${said.filter(Boolean).join(". ")}.`);
}

async function ask(path: string): Promise<{ response: Response; text: string }> {
  try {
    const response = await fetch(new URL(path, location.origin), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { Accept: "application/json" },
    });
    return { response, text: await response.text() };
  } catch (error) {
    // What browsers say of it ("Failed to fetch") helps nobody.
    if (error instanceof TypeError) throw new NoAnswer(`nothing answers at ${location.host}`);
    throw error;
  }
}

function read(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    // What is nested deeper than the stack is, only the plain parser takes.
    if (error instanceof RangeError) return JSON.parse(text);
    return null;
  }
}
