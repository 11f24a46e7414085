/**
 * Small requests to a server of ours. Made with node:http and not with `fetch`, which would send them
 * through the proxy that `HTTP_PROXY` names, loopback or not.
 */
import {
  type ClientRequest,
  type IncomingMessage,
  request as send,
  type RequestOptions as SendOptions,
} from "node:http";
import { request as sendSecurely } from "node:https";
import { isVersionInfo } from "../protocol/compatibility.ts";
import { type Health, isHealth, isHealthStatus } from "../protocol/messages.ts";
import { type Ask, MAX_ANSWER_BYTES } from "./ask.ts";
import { tlsOptions, whyUntrusted } from "./trust.ts";

export interface Answer {
  status: number;
  text: string;
  /** By lower-case name. */
  headers: Record<string, string | string[] | undefined>;
}

/** A server, and what it lets this client in by. */
export interface Endpoint {
  /** Without a path. */
  url: string;
  /** Sent with every request; null is none. */
  token: string | null;
  /** PEM; over https the server has to show one of these, or one that chains to it. What the system trusts without. */
  certificates?: readonly string[];
}

export interface RequestOptions {
  method?: "GET" | "POST";
  body?: string;
  token?: string | null;
  /** See `Endpoint`. */
  certificates?: readonly string[] | undefined;
  timeoutMs: number;
  /** Longer answers are failures. */
  maxBytes?: number;
}

/** The answer's `code` is that of the system: ECONNREFUSED, ETIMEDOUT, ECONNRESET … */
export function request(
  url: string,
  { method = "GET", body, token = null, certificates, timeoutMs, maxBytes = Infinity }: RequestOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { Connection: "close", ...authorization(token) };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const outgoing = begin(url, certificates, { method, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > maxBytes) outgoing.destroy(new Error(`the answer has more than ${maxBytes} bytes`));
      });
      incoming.on("end", () => {
        clearTimeout(timer);
        const { statusCode = 0, headers: received } = incoming;
        resolve({ status: statusCode, text: Buffer.concat(chunks).toString("utf8"), headers: received });
      });
      incoming.on("error", fail);
    });
    const timer = setTimeout(() => {
      fail(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: "ETIMEDOUT" }));
      outgoing.destroy();
    }, timeoutMs);
    function fail(error: Error): void {
      clearTimeout(timer);
      reject(error);
    }
    outgoing.on("error", fail);
    outgoing.end(body);
  });
}

/** Begins a request; a server that is not believed is told nothing of it. */
export function begin(
  url: string,
  certificates: readonly string[] | undefined,
  options: SendOptions,
  onAnswer?: (incoming: IncomingMessage) => void,
): ClientRequest {
  const own = { ...options, agent: false };
  if (!url.startsWith("https:")) return send(url, own, onAnswer);
  return sendSecurely(url, { ...own, ...tlsOptions(certificates) }, onAnswer);
}

/** The header a token is sent in. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** Asks a server for something at a path. */
export function ask(
  { url, token, certificates }: Endpoint,
  path: string,
  options: Omit<RequestOptions, "token" | "certificates">,
): Promise<Answer> {
  return request(url + path, { ...options, token, certificates });
}

/**
 * For discovery outside of browsers. Redirects are not followed: their status is no good answer.
 *
 * @param certificatesOf which of them a URL's server is to show: see `Endpoint`
 */
export function askTrusting(certificatesOf: (url: string) => readonly string[] | undefined): Ask {
  return (url, { body, timeoutMs }) => {
    const sent = body === undefined ? {} : ({ method: "POST", body } as const);
    const certificates = certificatesOf(url);
    return request(url, { ...sent, certificates, timeoutMs, maxBytes: MAX_ANSWER_BYTES });
  };
}

/** The same, believing what the system does. */
export const askOverHttp: Ask = askTrusting(() => undefined);

/** What the server said instead of an answer: what failed, and what to do next. */
export class ServerRefusal extends Error {
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint: string) {
    super(message);
    this.name = "ServerRefusal";
    this.status = status;
    this.hint = hint;
  }
}

/** The refusal in an answer's body; null when that is not in the form in which our server refuses. */
export function refusalIn(status: number, text: string): ServerRefusal | null {
  const { message, hint } = parse(text)?.error ?? {};
  return status >= 400 && typeof message === "string" && typeof hint === "string"
    ? new ServerRefusal(status, message, hint)
    : null;
}

/** What is found behind a URL. */
export type Probe =
  | { answer: "ours"; health: Health }
  /** Ours, but it tells no more than this without a token that it knows. */
  | { answer: "guarded"; status: Health["status"] }
  /** Ours, but not yet, or no longer, taking requests. */
  | { answer: "busy" }
  /** Something that shows a certificate which is not believed, and has been told nothing. */
  | { answer: "untrusted"; why: string }
  /** Another program. */
  | { answer: "other" }
  /** Something accepts the connection and says nothing in time. */
  | { answer: "silent" }
  | { answer: "nothing" };

const NOTHING_THERE = new Set(["ECONNREFUSED", "ENOTFOUND", "ENOENT", "EAI_AGAIN", "EADDRNOTAVAIL"]);

/** Asks for `/health` and tells our server from anything else that may hold the port. */
export async function probe(endpoint: Endpoint, timeoutMs = 1000): Promise<Probe> {
  try {
    const { status, text, headers } = await ask(endpoint, "/health", { timeoutMs });
    const body = parse(text);
    if (isHealth(body)) return { answer: "ours", health: body };
    if (headers["x-server-version"] === undefined) return { answer: "other" };
    if (isHealthStatus(body?.status) && (await tellsVersion(endpoint, timeoutMs)))
      return { answer: "guarded", status: body.status };
    const busy = status === 503 && body?.error?.code === "not_ready";
    return { answer: busy ? "busy" : "other" };
  } catch (error) {
    const { code } = error as { code?: string };
    const why = whyUntrusted(error);
    if (why !== null) return { answer: "untrusted", why };
    if (code === "ETIMEDOUT") return { answer: "silent" };
    return { answer: NOTHING_THERE.has(code ?? "") ? "nothing" : "other" };
  }
}

/** Others have a `/health` with a status as well. */
async function tellsVersion({ url, certificates }: Endpoint, timeoutMs: number): Promise<boolean> {
  const { text } = await request(`${url}/version`, { certificates, timeoutMs, maxBytes: MAX_ANSWER_BYTES });
  return isVersionInfo(parse(text));
}

interface Parsed {
  status?: unknown;
  error?: { code?: unknown; message?: unknown; hint?: unknown };
}

function parse(text: string): Parsed | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
