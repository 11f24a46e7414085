/**
 * The token this page asks with: where it is from, whether the server takes it, and what a person has to be asked. Where
 * the server asks for none, there is none, and nothing of this is seen.
 */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { AccessReport } from "../../protocol/messages.ts";
import { isObject } from "../../protocol/event.ts";
import { ApiError, problemText, send } from "./http.ts";

/** Who is logged in. */
export interface Login extends Pick<AccessReport, "name" | "scopes" | "expires_at"> {
  token: string;
}

/** A person is asked for a token. */
export interface Asked {
  /** What is wrong with the one there was; null where there was none. */
  problem: string | null;
  /** Before this no further attempt is looked at; milliseconds since the epoch, or 0. */
  notBefore: number;
}

/** Kept by the browser for pages of this origin alone. */
const KEY = "claude-mpm-socketio.login";
/** Such a one is good once, for a token. */
const CODE_PREFIX = "cml_";
/** Characters that a header can carry. */
const SENDABLE = /^[\u0021-\u007E]+$/;

const current = signal<Login | null>(null);
const question = signal<Asked | null>(null);
const isTrying = signal(false);

export const login: ReadonlySignal<Login | null> = current;
export const asked: ReadonlySignal<Asked | null> = question;

/** Whether more than reading is offered. Without a log-in that is so: then everybody may do everything. */
export function mayAdminister(): boolean {
  return current.value?.scopes.includes("admin") ?? true;
}

/** Takes the token out of the address, before anything is asked for, or the one that is kept. */
export function beginLogin(): void {
  const given = takeFromAddress();
  current.value = readKept();
  window.addEventListener("storage", ({ key }) => {
    if (key === KEY) followOtherPage();
  });
  if (given !== null) void logIn(given);
  else if (current.value !== null) void renew(current.value.token);
}

/** The token to ask with; while a person is asked for one, that is waited for. */
export async function currentToken(): Promise<string | null> {
  if (isTrying.peek() || question.peek() !== null) await settled();
  return current.peek()?.token ?? null;
}

/** The server has refused what was asked with this token. */
export function refused(token: string | null, { message, code, retryAfter = 0 }: Refusal): void {
  if (token !== (current.peek()?.token ?? null) || question.peek() !== null) return;
  const problem = code === "token_missing" ? null : message;
  question.value = { problem, notBefore: after(retryAfter) };
  // Nothing is wrong with the token itself.
  if (retryAfter > 0) setTimeout(() => (question.value = null), retryAfter * 1000);
}

export interface Refusal {
  message: string;
  code: string;
  /** Seconds. */
  retryAfter?: number;
}

/** Whether it is the log-in that is wrong, and nothing else. */
export function isRefusal(code: string): boolean {
  return ["token_missing", "token_invalid", "scope_missing", "too_many_failures"].includes(code);
}

/** Tries what somebody has given; what is wrong with it is told by `asked`. */
export async function logIn(given: string): Promise<void> {
  isTrying.value = true;
  try {
    keep(await loginWith(given));
    question.value = null;
  } catch (error) {
    // A link that has been used leads here again; who is logged in stays so.
    if (current.peek() === null || question.peek() !== null) {
      const { retryAfter = 0 } = error instanceof ApiError ? error : {};
      question.value = { problem: problemText(error), notBefore: after(retryAfter) };
    }
  }
  isTrying.value = false;
}

/** Forgets the token, and all that was shown with it; one that a link has made is good no longer. */
export async function logOut(): Promise<void> {
  const token = current.peek()?.token ?? null;
  keep(null);
  try {
    if (token !== null) await send("api/logout", { token, method: "POST" });
  } catch {
    // It is good until its end.
  }
  location.reload();
}

async function loginWith(given: string): Promise<Login | null> {
  let token = given.trim();
  if (!SENDABLE.test(token))
    throw new ApiError("This is no token: it has spaces, or other than plain characters.");
  if (token.startsWith(CODE_PREFIX)) {
    ({ token } = await send<{ token: string }>("api/login", { token, method: "POST" }));
  }
  const { auth, name, scopes, expires_at } = await send<AccessReport>("api/access", { token });
  if (!scopes.includes("subscribe") && !scopes.includes("admin")) {
    const code = "scope_missing";
    throw new ApiError('The token does not have the scope "subscribe".', { status: 403, code });
  }
  return auth ? { token, name, scopes, expires_at } : null;
}

function after(seconds: number): number {
  return seconds > 0 ? Date.now() + seconds * 1000 : 0;
}

/** What is said of a token that is kept may have changed. */
async function renew(token: string): Promise<void> {
  try {
    const renewed = await loginWith(token);
    if (current.peek()?.token === token) keep(renewed);
  } catch {
    // Whoever asks for something is told, and asks for another.
  }
}

function keep(next: Login | null): void {
  current.value = next;
  try {
    if (next === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Private windows may keep nothing.
  }
}

function readKept(): Login | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    const isWhole = isObject(kept) && typeof kept.token === "string" && Array.isArray(kept.scopes);
    return isWhole && SENDABLE.test(kept.token as string) ? (kept as unknown as Login) : null;
  } catch {
    return null;
  }
}

/** Another page of this origin has logged in or out. */
function followOtherPage(): void {
  const kept = readKept();
  if (kept !== null) {
    current.value = kept;
    question.value = null;
  } else if (current.value !== null && question.value === null) location.reload();
}

function takeFromAddress(): string | null {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return null;
  url.searchParams.delete("token");
  history.replaceState(history.state, "", url);
  return token === "" ? null : token;
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (isTrying.value || question.value !== null) return;
      resolve();
      queueMicrotask(() => stop());
    });
  });
}
