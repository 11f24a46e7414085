/**
 * Reads Server-Sent Events out of bytes as they come, as
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation has it.
 */

export interface SseMessage {
  /** "message" when the sender named none. */
  event: string;
  data: string;
  /** The last `id` of the stream so far, of this message or an earlier one; empty before the first. */
  lastEventId: string;
}

export interface SseParser {
  /** The messages that are complete with these bytes; they may be cut anywhere. */
  push(bytes: Uint8Array): SseMessage[];
  /** Where the stream is; it may have moved without a message. */
  lastEventId(): string;
}

/** Makes a parser for one stream. What the stream leaves unfinished at its end is no message. */
export function createSseParser(): SseParser {
  // It also takes the byte order mark off that a stream may begin with.
  const decoder = new TextDecoder();
  /** The beginning of a line, in pieces: a large event comes in hundreds of chunks. */
  let pieces: string[] = [];
  let afterReturn = false;
  let event = "";
  let data: string[] = [];
  let id = "";
  let lastEventId = "";

  function dispatch(): SseMessage[] {
    lastEventId = id;
    const message = { event: event || "message", data: data.join("\n"), lastEventId };
    const complete = data.length > 0;
    event = "";
    data = [];
    return complete ? [message] : [];
  }

  function takeLine(line: string): SseMessage[] {
    if (line === "") return dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return [];
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id" && !value.includes("\0")) id = value;
    return [];
  }

  return {
    lastEventId: () => lastEventId,

    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === "") return [];
      // The line feed of a pair whose carriage return ended the chunk before.
      if (afterReturn && text.startsWith("\n")) text = text.slice(1);
      afterReturn = text.endsWith("\r");
      const lines = text.split(/\r\n|\r|\n/);
      const rest = lines.pop() ?? "";
      const messages: SseMessage[] = [];
      for (const line of lines) {
        messages.push(...takeLine(pieces.length > 0 ? pieces.join("") + line : line));
        pieces = [];
      }
      if (rest !== "") pieces.push(rest);
      return messages;
    },
  };
}
