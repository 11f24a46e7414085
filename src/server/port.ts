/**
 * A port that is held by one `Bun.serve` after another. Bun takes up no new certificate on a listener it has
 * (`server.reload({ tls })` is ignored), so a new one takes its place; the connections of the old one go on there.
 */

/** What a listener speaks TLS with, in PEM. */
export interface KeyPair {
  cert: string;
  key: string;
}

export interface PortOptions<Data> {
  /** Listens; throws Bun's listen error. */
  open(port: number, tls: KeyPair | null): Bun.Server<Data>;
  port: number;
  tls: KeyPair | null;
  /** Milliseconds before the first attempt after a failed one, doubled with each. */
  retry?: { firstMs: number; maxMs: number };
}

/** Called with each attempt to take the port anew; the next one comes after so many milliseconds. Null is success. */
export type OnAttempt = (error: unknown, delayMs: number) => void;

export interface Port<Data> {
  number: number;
  /** Whoever still has connections; the one that listens, if any does, is the last. */
  servers(): readonly Bun.Server<Data>[];
  /** False for one that only has connections left. */
  isLive(server: Bun.Server<Data>): boolean;
  /** From now on new connections are made with these; until the port can be taken again there are none. */
  renew(tls: KeyPair, onAttempt: OnAttempt): void;
  /** Listens no more. */
  close(): void;
}

const RETRY = { firstMs: 50, maxMs: 5000 };

/** Takes the port, and throws Bun's listen error where that is not possible. */
export function takePort<Data>({ open, port, tls, retry = RETRY }: PortOptions<Data>): Port<Data> {
  let live: Bun.Server<Data> | null = open(port, tls);
  const number = live.port ?? port;
  let servers = [live];
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Resolves once all its connections are gone. */
  function retire(server: Bun.Server<Data>): void {
    void server.stop(false).then(() => {
      servers = servers.filter((other) => other !== server);
    });
  }

  function listen(next: KeyPair, onAttempt: OnAttempt, delayMs: number): void {
    try {
      live = open(number, next);
      servers = [...servers, live];
    } catch (error) {
      timer = setTimeout(listen, delayMs, next, onAttempt, Math.min(delayMs * 2, retry.maxMs));
      return onAttempt(error, delayMs);
    }
    onAttempt(null, 0);
  }

  return {
    number,
    servers: () => servers,
    isLive: (server) => server === live,
    renew(next, onAttempt) {
      clearTimeout(timer);
      // Both in one go: in between nobody is refused but who connects in this very millisecond.
      if (live) retire(live);
      live = null;
      listen(next, onAttempt, retry.firstMs);
    },
    close() {
      clearTimeout(timer);
      if (live) retire(live);
      live = null;
    },
  };
}
