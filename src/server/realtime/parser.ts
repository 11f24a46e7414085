/** Socket.IO's parser, but for payloads that are no JSON, and for numbers a double cannot hold. */
import * as parser from "socket.io-parser";
import { CodedError } from "../../protocol/errors.ts";
import { parseExactJson } from "../../protocol/json.ts";
import { CLIENT_EVENTS } from "../../protocol/messages.ts";

/** Type 2 in the default namespace, an acknowledgement number if there is one, and the event's name. */
const EVENT_HEAD = /^2(\d{0,15})\["(\w{1,64})",/;

/** A client may look for several namespaces, of which there is one; and leave it and come again. */
const MAX_ASKED = 16;

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
  /** Whether it has asked for the default namespace, and not left it. */
  #hasAsked = false;
  /** How often it has asked for any. */
  #asked = 0;

  /** Called by the stock decoder, which takes `false` for text it cannot parse. */
  override tryParse(text: string): unknown {
    try {
      return parseExactJson(text);
    } catch {
      return false;
    }
  }

  override add(packet: unknown): void {
    this.#count(packet);
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

  /**
   * Throws, which ends the connection, when it asks to be let in again: Socket.IO would let it in as often as it asks
   * before the first time is answered.
   */
  #count(packet: unknown): void {
    const [kind, next] = typeof packet === "string" ? [packet[0], packet[1]] : [];
    const isDefault = next !== "/";
    if (kind === "1" && isDefault) this.#hasAsked = false;
    if (kind !== "0") return;
    this.#asked += 1;
    if (this.#asked > MAX_ASKED || (isDefault && this.#hasAsked)) throw new Error("asked already");
    this.#hasAsked ||= isDefault;
  }
}

export const tolerantParser = { ...parser, Decoder };
