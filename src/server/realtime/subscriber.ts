/** A socket as a receiver of the hub, and the one way to all sockets at once. */
import type { ClientIdentity } from "../../hub/clients.ts";
import type { Channel, Subscriber } from "../../hub/subscriber.ts";
import type { Compatibility } from "../../protocol/compatibility.ts";
import type { CodedError } from "../../protocol/errors.ts";
import type { StoredEvent } from "../../protocol/event.ts";
import type { ConnectionAck, HistoryGap, LogPosition } from "../../protocol/messages.ts";
import { compatibilityOf, isoTime, type ServerContext } from "../context.ts";
import type { BroadcastAdapter } from "./broadcast-adapter.ts";
import { bufferedBy, connectionOf, drop } from "./connection.ts";
import type { WebSocketData } from "./engine.ts";
import type { ClientSocket } from "./handlers.ts";
import { readIdentity } from "./handshake.ts";

type PacketWriter = (event: StoredEvent) => string;

/**
 * Makes Socket.IO packets (protocol revision 5: type 2, the default namespace unnamed) around the stored text,
 * so that an event is serialised once however many clients get it. They all get it in one go: remembering the
 * newest packet is enough.
 */
function createPacketWriter(): PacketWriter {
  let newest: { event: StoredEvent; packet: string } | null = null;
  return (event) => {
    if (newest?.event !== event) newest = { event, packet: `2["claude_event",${event.json}]` };
    return newest.packet;
  };
}

/** Who waits for a WebSocket to drain. */
export type Drains = WeakMap<Bun.ServerWebSocket<WebSocketData>, () => void>;

/** `drain` tells of progress on a WebSocket; a polling client takes what it can whenever it asks. */
const LOOK_AGAIN_MS = 50;

/** The room of all who are live and want everything. */
const LIVE = "live";
/** After so much more has been published, somebody may have fallen behind without the publish telling. */
const LOOK_AFTER_CHARS = 256 * 1024;
/** While somebody is slow every publish tells of it; looking at all each time would make everybody slow. */
const LOOK_AGAIN_CHARS = 32 * 1024;

/** What all sockets share. */
interface SocketChannel extends Channel {
  context: ServerContext;
  packetOf: PacketWriter;
}

export function createChannel(context: ServerContext, adapter: BroadcastAdapter): SocketChannel {
  const packetOf = createPacketWriter();
  let unseen = 0;
  return {
    context,
    packetOf,
    join: (id) => adapter.addAll(id, new Set([LIVE])),
    leave: (id) => adapter.del(id, LIVE),
    has: (id) => adapter.sids.get(id)?.has(LIVE) ?? false,
    publish(event, exceptId) {
      const packet = packetOf(event);
      const result = adapter.publishText(
        LIVE,
        packet,
        exceptId === undefined ? undefined : new Set([exceptId]),
      );
      unseen += packet.length;
      if (unseen < (result > 0 ? LOOK_AFTER_CHARS : LOOK_AGAIN_CHARS)) return false;
      unseen = 0;
      return true;
    },
  };
}

/** A socket in the feed. */
export class SocketSubscriber implements Subscriber {
  readonly socket: ClientSocket;
  readonly channel: SocketChannel;
  readonly #drains: Drains;

  constructor(socket: ClientSocket, channel: SocketChannel, drains: Drains) {
    this.socket = socket;
    this.channel = channel;
    this.#drains = drains;
  }

  get id(): string {
    return this.socket.id;
  }

  identify(): ClientIdentity {
    const { data, handshake } = this.socket;
    return {
      ...readIdentity(handshake.auth),
      transport: this.transport(),
      connectedAt: data.connectedAt,
    };
  }

  transport(): ClientIdentity["transport"] {
    return connectionOf(this.socket).transport.name;
  }

  onEvent(event: StoredEvent): void {
    const conn = connectionOf(this.socket);
    if (conn.readyState === "open") conn.write(this.channel.packetOf(event));
  }

  onGap(gap: HistoryGap): void {
    this.socket.emit("history_gap", gap);
  }

  /** What the client has, up to `seq`, it has of this epoch as well: to resume later it needs the new name. */
  onEpoch(epoch: string, seq: number): void {
    const { version } = readIdentity(this.socket.handshake.auth);
    const { context } = this.channel;
    this.acknowledge(compatibilityOf(context, version), {
      ...context.hub.position(),
      epoch,
      last_seq: seq,
    });
  }

  acknowledge(compatibility: Compatibility, position: LogPosition): void {
    const acknowledgement: ConnectionAck = {
      server_version: compatibility.server_version,
      server_id: this.channel.context.serverId,
      compatibility,
      timestamp: isoTime(Date.now()),
      ...position,
    };
    this.socket.emit("connection_ack", acknowledgement);
  }

  /** A "disconnect": the client does not come again by itself. */
  dismiss(reason: CodedError): void {
    this.socket.emit("event_error", reason.toBody());
    this.socket.disconnect(true);
  }

  /** A lost transport, not a "disconnect": the client comes again and resumes. */
  onFailure(): void {
    drop(connectionOf(this.socket));
  }

  buffered(): number {
    return bufferedBy(connectionOf(this.socket));
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_AGAIN_MS);
      const ws = connectionOf(this.socket).transport.socket;
      if (!ws) return;
      this.#drains.set(ws, () => {
        clearTimeout(timer);
        this.#drains.delete(ws);
        resolve();
      });
    });
  }
}
