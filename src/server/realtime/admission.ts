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
  onSession(session: object, request: Request): void;
  /** Middleware of Socket.IO: an error is sent as `connect_error`. */
  check(socket: Socket, next: (error?: Error) => void): Promise<void>;
}

/** Stock clients leave by themselves when they are refused; others are helped. */
const LEAVE_MS = 1000;

/** Null where no tokens are asked for: then nothing is kept of anybody. */
export function createAdmission({ access, addressOf, hub, refusals }: ServerContext): Admission | null {
  if (!access.isOn) return null;
  /** By session, for as long as there is one that has not asked to be let in. */
  const pending = new WeakMap<object, Caller>();
  return {
    onSession(session, request) {
      const address = addressOf(request);
      pending.set(session, {
        token: bearerToken(request.headers.get("authorization")),
        address: () => address,
      });
    },

    async check(socket, next) {
      const { conn, handshake } = socket;
      const { token, address = () => "unknown" } = pending.get(conn) ?? {};
      pending.delete(conn);
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
