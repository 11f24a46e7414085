/**
 * Takes off a connection what the engine and Socket.IO keep for it and never need again: an idle one then costs about
 * half the memory. It is done from outside, on what is private to them (bun-engine 0.1.2, Socket.IO 4.8.4): where a
 * version looks different inside, it is left as it is. `npm run bench` measures the whole; figures here are of heap.
 */
import { SmallMap } from "./small-collections.ts";

/** Where an emitter of the engine has its listeners. */
const SLOT = "_listeners";

interface Emitter {
  [SLOT]?: Map<string, readonly unknown[]>;
}

/** The engine's socket. */
export interface Session extends Emitter {
  id: string;
  transport: Emitter & { name: string };
  request?: unknown;
  on(event: string, listener: (this: Session) => void): void;
  off(event: string): void;
  onError(error: unknown): void;
  onPacket(packet: unknown): void;
  onClose(reason: string): void;
  flush(): void;
}

/** Socket.IO's side of a session; each of the three is bound to it. */
interface Client {
  conn: Session;
  sockets: unknown;
  nsps: unknown;
  ondata(data: unknown): void;
  onerror(error: unknown): void;
  onclose(reason: unknown): void;
}

/** Socket.IO's socket. */
interface ConnectedSocket {
  client: unknown;
  handshake: { auth: object };
}

export interface Lightener {
  /** Lightens what the engine has made; to be called before others listen to the session. */
  session(session: Session): void;
  /** Lightens what Socket.IO has made; to be called when the handshake has been read: of it `auth` alone remains. */
  socket(socket: object): void;
}

type Listener = (this: { [SLOT]: SharedListeners }, value: unknown) => void;
type Listeners = Readonly<Record<string, readonly Listener[]>>;

/**
 * Stands where an emitter has its map of listeners, and gives all emitters of a kind the same ones, which find what
 * they act on in `owner`. Otherwise each has functions of its own, a list around each and storage for the map.
 */
class SharedListeners extends Map<string, readonly unknown[]> {
  readonly owner: unknown;
  #shared: Listeners | null;

  constructor(owner: unknown, shared: Listeners) {
    super();
    this.owner = owner;
    this.#shared = shared;
  }

  override get(event: string): readonly unknown[] | undefined {
    return super.get(event) ?? this.#shared?.[event];
  }

  override clear(): void {
    super.clear();
    this.#shared = null;
  }
}

/** Frozen: they are everybody's, and who adds one of their own to such an event must learn of it. */
function listenersOf<Owner>(
  acts: Record<string, (owner: Owner, value: unknown, emitter: unknown) => void>,
): Listeners {
  return Object.fromEntries(
    Object.entries(acts).map(([event, act]) => {
      const listener: Listener = function (value) {
        act(this[SLOT].owner as Owner, value, this);
      };
      return [event, Object.freeze([listener])];
    }),
  );
}

/** What a session listens to on its transport. */
const ON_TRANSPORT = listenersOf<Session>({
  error: (session, error) => session.onError(error),
  packet: (session, packet) => session.onPacket(packet),
  drain: (session) => session.flush(),
  close: (session) => session.onClose("transport close"),
});

/** What Socket.IO reads of the request when it makes a handshake. */
const NO_REQUEST = { url: "", headers: {}, _query: {}, connection: { encrypted: false } };

/** @param forget the listener that each session has to its "close", before Socket.IO's */
export function createLightener(forget: (this: Session) => void): Lightener {
  /** What Socket.IO listens to on a session. */
  const onSession = listenersOf<Client>({
    data: (client, data) => client.ondata(data),
    error: (client, error) => client.onerror(error),
    close(client, reason, session) {
      forget.call(session as Session);
      client.onclose(reason);
    },
  });

  return {
    session(session) {
      // Its address and headers: 500 bytes.
      if (session.request) session.request = NO_REQUEST;
      shareTransportListeners.call(session);
      if (session.transport.name === "polling") session.on("upgrade", shareTransportListeners);
    },

    socket(socket) {
      const connected = socket as ConnectedSocket;
      const client = connected.client as Client;
      // Mostly a date as text: 350 bytes.
      connected.handshake = { auth: connected.handshake.auth };
      // Maps of the one namespace it is in: 320 bytes.
      if (client.sockets instanceof Map) client.sockets = new SmallMap(client.sockets);
      if (client.nsps instanceof Map) client.nsps = new SmallMap(client.nsps);
      shareSessionListeners(client, onSession, forget);
    },
  };
}

/** Saves 750 bytes. */
function shareTransportListeners(this: Session): void {
  const current = this.transport[SLOT];
  const isKnown =
    current?.size === Object.keys(ON_TRANSPORT).length &&
    Object.keys(ON_TRANSPORT).every((event) => current.get(event)?.length === 1);
  if (isKnown) this.transport[SLOT] = new SharedListeners(this, ON_TRANSPORT);
}

/** Saves 500 bytes. */
function shareSessionListeners(client: Client, shared: Listeners, forget: unknown): void {
  const { conn: session } = client;
  const current = session[SLOT];
  const expected = { data: [client.ondata], error: [client.onerror], close: [forget, client.onclose] };
  const isKnown = Object.entries(expected).every(([event, functions]) => {
    const present = current?.get(event);
    return present?.length === functions.length && functions.every((one, index) => one === present[index]);
  });
  const { ondata, onerror, onclose } = Object.getPrototypeOf(client) as Client;
  if (!current || !isKnown || !ondata || !onerror || !onclose) return;
  const listeners = new SharedListeners(client, shared);
  for (const [event, present] of current) if (!(event in expected)) listeners.set(event, present);
  session[SLOT] = listeners;
  Object.assign(client, { ondata, onerror, onclose });
}
