/**
 * A Socket.IO adapter for Bun: rooms are Bun topics, and a broadcast is one native publish instead of one write per
 * socket. https://socket.io/docs/v4/adapter/ describes the interface, https://bun.com/docs/runtime/http/websockets
 * the topics.
 *
 * What cannot be one native publish goes the stock adapter's way, with the stock result: binary packets,
 * acknowledgements, volatile packets, several rooms at once (a socket in two of them must get the packet once) and
 * rooms that are one socket's own. Sockets on polling get each packet written as ever. `except` takes the excepted
 * sockets off the topic for the moment of the publish; subscriptions take effect at once.
 *
 * What differs from the stock adapter: `onAnyOutgoing` listeners do not see broadcasts, nor does the engine's
 * `packetCreate`; nothing is compressed; going through `rooms` does not show the sockets' own ones, which are there as
 * soon as they are asked for by name, and leaving one's own tells nobody; `socket.rooms` has the members of a `Set` that
 * Socket.IO uses, and is none.
 */
import { Adapter, type BroadcastOptions, type Room, type SocketId } from "socket.io-adapter";
import { SmallSet } from "./small-collections.ts";

export interface BroadcastAdapterOptions {
  /**
   * Publishes a text to a topic on every listener of the server: more than 0 when all is well, -1 when somebody's
   * buffer grows, 0 when something was dropped or nobody listens (`Bun.Server.publish`).
   */
  publish(topic: string, text: string): number;
}

/** The parts of a connection below a Socket.IO socket that an adapter on Bun needs. */
interface Connection {
  transport: { name: string; socket?: TopicSocket };
  on(event: "upgrade", listener: () => void): void;
  off(event: "upgrade", listener: () => void): void;
}

interface TopicSocket {
  readyState: number;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

interface Member {
  client: { writeToEngine(packets: string[], options: object): void };
  conn: Connection;
}

interface Namespace {
  name: string;
  sockets: Map<SocketId, Member>;
}

const OPEN = 1;
/** Engine.IO's packet type for a message. */
const MESSAGE = "4";
/** Above this many excepted sockets, writing to the others one by one is cheaper than moving these off and on. */
const MAX_EXCEPTED = 16;
const NOBODY: ReadonlySet<SocketId> = new Set();

/** Rooms by name. A socket's own room is made when somebody looks into it: hardly ever, and it takes half a kilobyte. */
class Rooms extends Map<Room, Set<SocketId>> {
  readonly #sids: ReadonlyMap<SocketId, ReadonlySet<Room>>;

  constructor(sids: ReadonlyMap<SocketId, ReadonlySet<Room>>) {
    super();
    this.#sids = sids;
  }

  override has(room: Room): boolean {
    return super.has(room) || this.#isOwn(room);
  }

  override get(room: Room): Set<SocketId> | undefined {
    if (!super.has(room) && this.#isOwn(room)) this.set(room, new Set([room]));
    return super.get(room);
  }

  #isOwn(room: Room): boolean {
    return this.#sids.get(room)?.has(room) ?? false;
  }
}

export type BroadcastAdapter = InstanceType<ReturnType<typeof createBroadcastAdapter>>;

/** Makes the adapter's class, as Socket.IO's `adapter` option wants it. */
export function createBroadcastAdapter({ publish }: BroadcastAdapterOptions) {
  return class extends Adapter {
    readonly #members: Namespace;
    /** Sockets on polling, which no topic reaches, with what to call when they upgrade. */
    readonly #polling = new Map<SocketId, () => void>();

    // oxlint-disable-next-line typescript/no-explicit-any -- the base class takes any
    constructor(nsp: any) {
      super(nsp);
      this.#members = nsp;
      this.rooms = new Rooms(this.sids);
    }

    override addAll(id: SocketId, rooms: Set<Room>): void {
      const isNew = !this.sids.has(id);
      if (isNew) this.#enter(id, rooms);
      else super.addAll(id, rooms);
      const conn = this.#members.sockets.get(id)?.conn;
      if (!conn) return;
      if (isNew && conn.transport.name !== "websocket") this.#awaitUpgrade(id, conn);
      const socket = conn.transport.socket;
      if (!socket || this.#polling.has(id)) return;
      if (isNew) socket.subscribe(this.#topic(null));
      for (const room of rooms) if (room !== id) socket.subscribe(this.#topic(room));
    }

    /** A socket that comes is in a small set of rooms, and its own room has none at all. */
    #enter(id: SocketId, rooms: ReadonlySet<Room>): void {
      const others = new Set(rooms);
      const isInOwn = others.delete(id);
      this.sids.set(id, new SmallSet(...(isInOwn ? [id] : [])) as unknown as Set<Room>);
      super.addAll(id, others);
      if (!isInOwn) return;
      this.emit("create-room", id);
      this.emit("join-room", id, id);
    }

    override del(id: SocketId, room: Room): void {
      super.del(id, room);
      this.#openSocket(id)?.unsubscribe(this.#topic(room));
    }

    override delAll(id: SocketId): void {
      const rooms = [...(this.sids.get(id) ?? [])];
      super.delAll(id);
      this.#polling.get(id)?.();
      const socket = this.#openSocket(id);
      if (!socket) return;
      socket.unsubscribe(this.#topic(null));
      for (const room of rooms) if (room !== id) socket.unsubscribe(this.#topic(room));
    }

    // oxlint-disable-next-line typescript/no-explicit-any -- as in the base class
    override broadcast(packet: any, options: BroadcastOptions): void {
      const { rooms, except, flags } = options;
      const [room = null] = rooms;
      if (
        rooms.size > 1 ||
        flags?.volatile ||
        packet.id !== undefined ||
        (room !== null && this.sids.has(room))
      ) {
        return super.broadcast(packet, options);
      }
      packet.nsp = this.#members.name;
      const encoded: unknown[] = this.#encode(packet);
      const [text] = encoded;
      const excepted = except && except.size > 0 ? this.#exceptedBy(except) : NOBODY;
      if (encoded.length !== 1 || typeof text !== "string" || excepted.size > MAX_EXCEPTED) {
        return super.broadcast(packet, options);
      }
      this.publishText(room, text, excepted);
    }

    /**
     * Sends an encoded packet to the members of a room, or of the whole namespace where the room is null.
     *
     * @param text a Socket.IO packet, as its parser writes it
     * @returns what the native publish returned
     */
    publishText(room: Room | null, text: string, except: ReadonlySet<SocketId> = NOBODY): number {
      const topic = this.#topic(room);
      const isMember = (id: SocketId) =>
        room === null ? this.sids.has(id) : (this.rooms.get(room)?.has(id) ?? false);
      for (const id of this.#polling.keys()) {
        if (isMember(id) && !except.has(id)) this.#members.sockets.get(id)?.client.writeToEngine([text], {});
      }
      const away = [...except].filter(isMember).map((id) => this.#openSocket(id));
      for (const socket of away) socket?.unsubscribe(topic);
      const result = publish(topic, MESSAGE + text);
      for (const socket of away) socket?.subscribe(topic);
      return result;
    }

    /** A socket that has upgraded is subscribed before the engine flushes what waited for the new transport. */
    #awaitUpgrade(id: SocketId, conn: Connection): void {
      const stop = () => {
        conn.off("upgrade", onUpgrade);
        this.#polling.delete(id);
      };
      const onUpgrade = () => {
        stop();
        const socket = conn.transport.socket;
        socket?.subscribe(this.#topic(null));
        for (const room of this.sids.get(id) ?? []) if (room !== id) socket?.subscribe(this.#topic(room));
      };
      conn.on("upgrade", onUpgrade);
      this.#polling.set(id, stop);
    }

    #openSocket(id: SocketId): TopicSocket | null {
      const socket = this.#polling.has(id) ? null : this.#members.sockets.get(id)?.conn.transport.socket;
      return socket?.readyState === OPEN ? socket : null;
    }

    /** Names of namespaces hold no line break, so that no room can be mistaken for another namespace's. */
    #topic(room: Room | null): string {
      return room === null ? this.#members.name : `${this.#members.name}\n${room}`;
    }

    #encode(packet: object): unknown[] {
      return (this as unknown as { encoder: { encode(packet: object): unknown[] } }).encoder.encode(packet);
    }

    #exceptedBy(rooms: Set<Room>): Set<SocketId> {
      const ids = new Set<SocketId>();
      for (const room of rooms) for (const id of this.rooms.get(room) ?? []) ids.add(id);
      return ids;
    }
  };
}
