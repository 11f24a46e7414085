/** One small question to whatever may listen at a URL. */

export interface AskOptions {
  /** Sent as a POST; without it the question is a GET. */
  body?: string;
  /** Milliseconds until the whole answer has to be there. */
  timeoutMs: number;
}

/** Rejects where nothing answers in time, with a redirect, or with more than `MAX_ANSWER_BYTES`. */
export type Ask = (url: string, options: AskOptions) => Promise<{ status: number; text: string }>;

/** What a server says of itself takes a few KB; another program may send without end. */
export const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Asks with `fetch`, which browsers have too. In Bun and in Node with `NODE_USE_ENV_PROXY` that goes through the proxy
 * `HTTP_PROXY` names, even to loopback, unless `NO_PROXY` excepts it.
 */
export const askWithFetch: Ask = async (url, { body, timeoutMs }) => {
  const response = await fetch(url, {
    // A text needs no preflight in a browser; the server reads it as JSON all the same.
    ...(body === undefined ? {} : { method: "POST", body }),
    redirect: "error",
    cache: "no-store",
    signal: AbortSignal.timeout(timeoutMs),
  });
  return { status: response.status, text: await readText(response) };
};

async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > MAX_ANSWER_BYTES) {
      await reader.cancel();
      throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
