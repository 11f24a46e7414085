/** Who is connected, and how many ever were. */
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
  const bySid = new Map<string, ClientInfo>();
  let served = 0;
  return {
    add(client) {
      bySid.set(client.sid, client);
      served += 1;
    },
    remove: (sid) => void bySid.delete(sid),
    count: () => bySid.size,
    served: () => served,
    versions: () => Object.fromEntries([...bySid.values()].map(({ sid, version }) => [sid, version])),
  };
}
