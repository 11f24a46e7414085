/**
 * POSTs of events, written by hand: `fetch` would send them through `HTTP_PROXY`, and `node:http` takes longer to load
 * than the request does.
 */
import { outcomeOf, type Outcome } from "./outcome.ts";
import type { Target, TargetTls } from "./target.ts";

/** A connection for one request. */
export interface Connection {
  /**
   * Sends events, and waits for the answer while there is time; without any it sends nothing.
   *
   * @param body an event's JSON, or that of an array of them
   * @param limitMs less time than a hook has
   */
  post(body: string, limitMs?: number): Promise<Outcome>;
}

/** For all that a hook does, from the start of its process. */
const BUDGET_MS = 500;
const MAX_HEAD_CHARS = 64 * 1024;
const UTF_8 = new TextEncoder();

/** Connects, and says nothing yet. What fails, here or later, is an outcome: `later`. */
export function connect({ address, port, token, tls }: Target): Connection {
  let socket: Bun.Socket | null = null;
  let rest: Uint8Array | null = null;
  let answer = "";
  let settle: (outcome: Outcome) => void = () => {};
  const answered = new Promise<Outcome>((resolve) => (settle = resolve));
  const fail = () => settle("later");
  const write = () => {
    try {
      if (socket !== null && rest !== null) rest = rest.subarray(Math.max(0, socket.write(rest)));
    } catch {
      fail();
    }
  };

  /** It was found to speak no TLS. */
  let isPlain = false;
  const begin = (opened: Bun.Socket) => {
    socket = opened;
    write();
  };

  const open = async (secure: TargetTls | null) =>
    Bun.connect({
      hostname: address,
      port,
      ...(secure === null ? {} : { tls: tlsOptions(secure) }),
      socket: {
        open(opened) {
          if (secure === null) begin(opened);
        },
        handshake(opened, isTrusted, error) {
          if (isBelieved(secure, isTrusted, error)) return begin(opened);
          isPlain = secure?.orPlain === true && codeOf(error) === "EPROTO";
          opened.end();
          if (isPlain) open(null).catch(fail);
          else fail();
        },
        drain: write,
        data(_socket, chunk) {
          answer += chunk.toString("latin1");
          const end = answer.indexOf("\r\n\r\n");
          if (end !== -1 || answer.length > MAX_HEAD_CHARS)
            settle(readAnswer(answer.slice(0, Math.max(0, end))));
        },
        close: () => (secure !== null && isPlain ? undefined : fail()),
        error: () => (secure !== null && isPlain ? undefined : fail()),
        connectError: fail,
      },
    });
  open(tls).catch(fail);

  return {
    async post(body, limitMs = BUDGET_MS) {
      const timeLeft = Math.min(limitMs, BUDGET_MS - performance.now());
      if (timeLeft <= 0) return "later";
      const host = address.includes(":") ? `[${address}]` : address;
      const bytes = UTF_8.encode(body);
      const head = [
        "POST /api/events HTTP/1.1",
        `Host: ${host}:${port}`,
        "Content-Type: application/json",
        `Content-Length: ${bytes.length}`,
        ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
        "Connection: close",
      ];
      setTimeout(fail, timeLeft);
      rest = UTF_8.encode(`${head.join("\r\n")}\r\n\r\n${body}`);
      write();
      return answered;
    },
  };
}

function tlsOptions({ certificates }: TargetTls): Bun.TLSOptions {
  if (certificates === null) return { rejectUnauthorized: true };
  // Judged by `isBelieved`: Bun.connect asks nobody about a name that does not fit.
  // Its types do not know the last of these.
  const options = { ca: [...certificates], rejectUnauthorized: false, allowPartialTrustChain: true };
  return options;
}

/** A certificate that is pinned may have been made for any host: that is looked at last, when all else is good. */
function isBelieved(secure: TargetTls | null, isTrusted: boolean, error: unknown): boolean {
  return isTrusted || (!!secure?.certificates && codeOf(error) === "ERR_TLS_CERT_ALTNAME_INVALID");
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | null)?.code;
}

/** What does not say that it comes from a server of ours counts as no answer. */
function readAnswer(head: string): Outcome {
  const isOurs = head.startsWith("HTTP/1.1 ") && head.toLowerCase().includes("\r\nx-server-version:");
  return isOurs ? outcomeOf(Number(head.slice(9, 12))) : "later";
}
