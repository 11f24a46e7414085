/** Who is connected, and how many ever were. */
import type { ConnectedClient } from "../protocol/messages.ts";

/** What a client is known by. It is put together when somebody asks: an idle connection keeps no copy of it. */
export interface ClientIdentity {
  /** Undefined when it names none. */
  version: string | undefined;
  /** Undefined when it names none. */
  clientId: string | undefined;
  transport: ConnectedClient["transport"];
  /** Milliseconds since the epoch. */
  connectedAt: number;
}

export interface ClientInfo {
  /** The Socket.IO session id. */
  sid: string;
  /** The claude-mpm version it named, or "unknown". */
  version: string;
}

export interface Clients {
  add(client: ClientInfo): void;
  remove(sid: string): void;
  count(): number;
  served(): number;
  versions(): Record<string, string>;
}

export function createClients(): Clients {
  const versions = new Map<string, string>();
  let served = 0;
  return {
    add({ sid, version }) {
      versions.set(sid, version);
      served += 1;
    },
    remove: (sid) => void versions.delete(sid),
    count: () => versions.size,
    served: () => served,
    versions: () => Object.fromEntries(versions),
  };
}
