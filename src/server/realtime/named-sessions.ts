/** A session of Engine.IO that is being made, as far as the library's types leave it out. */
interface NewSession {
  id: string;
  writeBuffer: { type: string; data?: unknown }[];
}

/**
 * Stands for the engine's map of sessions, and puts the server's name into their ids: `<server_id>~<random>`. With several
 * nodes behind a load balancer each request of a session has to reach the node that has it. By the `sid` in the
 * request's address the balancer then knows which, without a cookie, which programs do not keep, and without the
 * client's address, which a whole company may share.
 */
export class NamedSessions<S extends object> extends Map<string, S> {
  readonly #name: string;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  override set(id: string, session: S): this {
    const { writeBuffer } = session as unknown as NewSession;
    const opening = writeBuffer.find(({ type }) => type === "open");
    // A WebSocket has been told already, and is never asked for by its id.
    if (typeof opening?.data !== "string") return super.set(id, session);
    const sid = `${this.#name}~${id}`;
    opening.data = JSON.stringify({ ...JSON.parse(opening.data), sid });
    return super.set(Object.assign(session, { id: sid }).id, session);
  }
}
