/** Who listens on a port, as Linux tells of it in texts, whoever has read them. */

export interface Listener {
  uid: number;
  /** Of the socket. */
  inode: string;
}

/** For IPv4 and IPv6; proc(5). */
export const PORT_TABLES = ["/proc/net/tcp", "/proc/net/tcp6"] as const;

const LISTEN = "0A";

/** The listening sockets on a port, on whichever address. */
export function listenersIn(table: string, port: number): Listener[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").flatMap((row) => {
    // Most rows are connections: they are passed over before anything is taken apart.
    if (!row.includes(end)) return [];
    const [, local = "", , state, , , , uid, , inode = "0"] = row.trim().split(/\s+/);
    return state === LISTEN && local.endsWith(end) ? [{ uid: Number(uid), inode }] : [];
  });
}

/** systemd.exec(5), `DynamicUser=`. */
const DYNAMIC_USERS = { first: 61_184, last: 65_519 };
const FIRST_ORDINARY_USER = 1000;

/**
 * Whether a user may be told what is configured for a port of this machine: oneself, root, and the users that services
 * have, but nobody else who works here.
 */
export function isTrustedUser(uid: number, own: number): boolean {
  const isDynamic = uid >= DYNAMIC_USERS.first && uid <= DYNAMIC_USERS.last;
  return uid === own || uid < FIRST_ORDINARY_USER || isDynamic;
}
