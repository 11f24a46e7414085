/** Lets a client in, or tells it why not, before it hears or says anything. */
import type { Socket } from "socket.io";
import type { Caller } from "../../auth/access.ts";
import { bearerToken } from "../../auth/bearer.ts";
import { toCodedError } from "../../protocol/errors.ts";
import { isObject } from "../../protocol/event.ts";
import type { ServerContext } from "../context.ts";
import { connectionOf, drop } from "./connection.ts";
import type { ClientSocket } from "./handlers.ts";

export interface Admission {
  /** Keeps of the request that opens a session what is known of who asks. */
  onSession(id: string, request: Request): void;
  /** Middleware of Socket.IO: an error is sent as `connect_error`. */
  check(socket: Socket, next: (error?: Error) => void): Promise<void>;
}

/** Stock clients leave by themselves when they are refused; others are helped. */
const LEAVE_MS = 1000;
/** Sessions that are open and have not asked to be let in, at most; the oldest are forgotten first. */
const MAX_PENDING = 100_000;

/** Null where no tokens are asked for: then nothing is kept of anybody. */
export function createAdmission({ access, addressOf, hub, refusals }: ServerContext): Admission | null {
  if (!access.isOn) return null;
  const pending = new Map<string, Caller>();
  return {
    onSession(id, request) {
      const address = addressOf(request);
      pending.set(id, { token: bearerToken(request.headers.get("authorization")), address: () => address });
      if (pending.size > MAX_PENDING) pending.delete(pending.keys().next().value as string);
    },

    async check(socket, next) {
      const { conn, handshake } = socket;
      const { id } = conn as unknown as { id: string };
      const { token, address = () => "unknown" } = pending.get(id) ?? {};
      pending.delete(id);
      const given = isObject(handshake.auth) ? handshake.auth.token : undefined;
      const caller = { token: typeof given === "string" && given !== "" ? given : (token ?? null), address };
      try {
        (socket as ClientSocket).data.grant = await access.admit(caller, "subscribe");
        next();
      } catch (error) {
        hub.countError();
        const coded = toCodedError(error);
        refusals.note(coded, { sid: socket.id, from: caller.address() });
        const data = { code: coded.status, error: coded.toBody() };
        next(Object.assign(new Error(coded.message), { data }));
        setTimeout(() => drop(connectionOf(socket)), LEAVE_MS);
      }
    },
  };
}
