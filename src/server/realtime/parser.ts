/** Socket.IO's parser, but for payloads that are no JSON, and for numbers a double cannot hold. */
import * as parser from "socket.io-parser";
import { CodedError } from "../../protocol/errors.ts";
import { parseExactJson } from "../../protocol/json.ts";
import { CLIENT_EVENTS } from "../../protocol/messages.ts";

/** Type 2 in the default namespace, an acknowledgement number if there is one, and the event's name. */
const EVENT_HEAD = /^2(\d{0,15})\["(\w{1,64})",/;

/** The stock decoder with the one private method that is replaced here. */
const StockDecoder = parser.Decoder as unknown as new () => {
  add(packet: unknown): void;
  tryParse(text: string): unknown;
  emitReserved(event: "decoded", packet: object): void;
};

/**
 * The stock decoder ends the connection on any payload it cannot parse. Python writes `NaN` where JSON has no such
 * thing: such an event reaches its handler with a `CodedError` for its payload, and is refused like any other.
 */
class Decoder extends StockDecoder {
  /** Called by the stock decoder, which takes `false` for text it cannot parse. */
  override tryParse(text: string): unknown {
    try {
      return parseExactJson(text);
    } catch {
      return false;
    }
  }

  override add(packet: unknown): void {
    try {
      super.add(packet);
    } catch (error) {
      const [head, id, name = ""] = (typeof packet === "string" && EVENT_HEAD.exec(packet)) || [];
      const isPayload = (error as Error).message === "invalid payload";
      if (!head || !isPayload || !(CLIENT_EVENTS as readonly string[]).includes(name)) throw error;
      const unreadable = new CodedError("invalid_json", `The payload of "${name}" is not valid JSON`);
      this.emitReserved("decoded", {
        type: parser.PacketType.EVENT,
        nsp: "/",
        ...(id ? { id: Number(id) } : {}),
        data: [name, unreadable],
      });
    }
  }
}

export const tolerantParser = { ...parser, Decoder };
