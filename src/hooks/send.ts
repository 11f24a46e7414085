/**
 * One POST of events, written by hand: `fetch` would send it through `HTTP_PROXY`, and `node:http` takes longer to load
 * than the request does.
 */
import { outcomeOf, type Outcome } from "./outcome.ts";
import type { Target } from "./target.ts";

const MAX_HEAD_CHARS = 64 * 1024;

/**
 * @param body an event's JSON, or that of an array of them
 * @param limitMs after which the answer is no longer waited for
 */
export function send({ address, port, token }: Target, body: string, limitMs: number): Promise<Outcome> {
  const host = address.includes(":") ? `[${address}]` : address;
  const head = [
    "POST /api/events HTTP/1.1",
    `Host: ${host}:${port}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
    "Connection: close",
  ];
  let rest = Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
  let answer = "";

  return new Promise((resolve) => {
    const fail = () => resolve("later");
    setTimeout(fail, limitMs);
    const write = (socket: Bun.Socket) => {
      rest = rest.subarray(Math.max(0, socket.write(rest)));
    };
    Bun.connect({
      hostname: address,
      port,
      socket: {
        open: write,
        drain: write,
        data(socket, chunk) {
          answer += chunk.toString("latin1");
          const end = answer.indexOf("\r\n\r\n");
          if (end === -1 && answer.length < MAX_HEAD_CHARS) return;
          resolve(readAnswer(answer.slice(0, Math.max(0, end))));
          socket.end();
        },
        close: fail,
        error: fail,
        connectError: fail,
      },
    }).catch(fail);
  });
}

/** What does not say that it comes from a server of ours counts as no answer. */
function readAnswer(head: string): Outcome {
  const status = Number(/^HTTP\/1\.1 (\d{3})\b/.exec(head)?.[1]);
  return /^x-server-version:/im.test(head) ? outcomeOf(status) : "later";
}
