/** One question to the server over HTTP, and what comes of it. */
import { parseExactJson } from "../../protocol/json.ts";
import { isObject } from "../../protocol/event.ts";

/** What the server refused, in its own words, with the next step. */
export class ApiError extends Error {
  readonly status: number;
  /** Of `protocol/errors.ts`; "" where it is not the server that refuses. */
  readonly code: string;
  /** Seconds after which it may be asked again; 0 where nothing is said of it. */
  readonly retryAfter: number;

  constructor(message: string, { status = 0, code = "", retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Nothing was heard of the server. */
export class NoAnswer extends Error {}

/** For people; a server that is away says nothing itself. */
export function problemText(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return "The server does not answer.";
}

const TIMEOUT_MS = 30_000;

export interface Question {
  token: string | null;
  method?: "GET" | "POST";
  /** Other answers than good ones that are taken all the same, by their status. */
  accepted?: readonly number[];
}

/** Resolves with what stands in the answer; rejects with an `ApiError` or with `NoAnswer`. */
export async function send<T>(path: string, question: Question): Promise<T> {
  const { response, text } = await ask(path, question);
  const body = read(text);
  if (response.ok || question.accepted?.includes(response.status)) return body as T;
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  const said = [error.message ?? `The server answers ${response.status}`, error.hint];
  throw new ApiError(`${said.filter(Boolean).join(". ")}.`, {
    status: response.status,
    code: typeof error.code === "string" ? error.code : "",
    retryAfter: Number(response.headers.get("retry-after")) || 0,
  });
}

async function ask(path: string, { token, method = "GET" }: Question) {
  try {
    const response = await fetch(new URL(path, location.origin), {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        Accept: "application/json",
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      },
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
