/** The server's answers over HTTP. */
import { isObject, type JsonObject } from "../../protocol/event.ts";
import type { ClientList, Health, LogPosition, Session, Stats } from "../../protocol/messages.ts";
import { ApiError, type Question, send } from "./http.ts";
import { currentToken, isRefusal, mayAdminister, refused } from "./login.ts";

export { ApiError, NoAnswer, problemText } from "./http.ts";

export interface HistoryAnswer extends LogPosition {
  events: unknown[];
  total_available: number;
}

export function getHistory(query: URLSearchParams): Promise<HistoryAnswer> {
  return ask<HistoryAnswer>(`api/events?${query}`);
}

/** One event whole, or null when the log no longer holds it. */
export async function getEvent(seq: number): Promise<JsonObject | null> {
  const { events } = await ask<HistoryAnswer>(`api/events?after=${seq - 1}&limit=1`);
  const [event] = events;
  return isObject(event) && event.seq === seq ? event : null;
}

/** Newest activity first. */
export async function getSessions(limit: number): Promise<Session[]> {
  return (await ask<{ sessions: Session[] }>(`api/sessions?limit=${limit}`)).sessions;
}

export const getSession = (id: string) =>
  ask<Session>(`api/sessions/${encodeURIComponent(id.toWellFormed())}`);
export const getStats = () => ask<Stats>("stats");

/** Null where the token does not allow it. */
export async function getClients(): Promise<ClientList | null> {
  // Browsers write every refusal into their console.
  if (!mayAdminister()) return null;
  return ask<ClientList>("api/clients", { isForAdmins: true }).catch((error: unknown) => {
    if (error instanceof ApiError && error.code === "scope_missing") return null;
    throw error;
  });
}

/** Ends a client's connection. */
export async function disconnectClient(sid: string): Promise<void> {
  const path = `api/clients/${encodeURIComponent(sid)}/disconnect`;
  await ask(path, { method: "POST", isForAdmins: true });
}

/** Answers with 503 where the server is not well, and says all the same what is wrong. */
export async function getHealth(): Promise<Health> {
  const ill = { accepted: [503] };
  const health = await ask<Partial<Health>>("health", ill);
  // No token, or an old one, is not refused here: it is told less.
  if (health?.checks === undefined) await getStats();
  return (health?.checks === undefined ? await ask("health", ill) : health) as Health;
}

const READY_TIMEOUT_MS = 3000;

/** Whether the server answers at all, whatever it says. */
export async function isReady(): Promise<boolean> {
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  return fetch(new URL("ready", location.origin), { signal }).then(
    () => true,
    () => false,
  );
}

interface Asking extends Omit<Question, "token"> {
  /** Whoever is logged in may lack this alone. */
  isForAdmins?: boolean;
}

/** Asks with the token there is; where that is refused, asks again once somebody has logged in. */
async function ask<T>(path: string, { isForAdmins = false, ...question }: Asking = {}): Promise<T> {
  for (;;) {
    const token = await currentToken();
    try {
      return await send<T>(path, { token, ...question });
    } catch (error) {
      const isOfLogin = error instanceof ApiError && isRefusal(error.code);
      if (!isOfLogin || (isForAdmins && error.code === "scope_missing")) throw error;
      refused(token, error);
    }
  }
}
