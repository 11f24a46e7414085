/**
 * Gives every connection its turn: what one sends faster than it can be taken waits, and all others come in between.
 * Nothing can make Bun stop reading from a socket, so what waits is bounded, and beyond it is refused unread.
 */

export interface TurnsOptions<Connection extends object> {
  handle(connection: Connection, message: string | Buffer): void;
  /** Calls `act`, in which messages of one connection are handled. */
  together(connection: Connection, act: () => void): void;
  /** Whether so much is under way that what waits had better wait on. */
  isBusy(): boolean;
  /** Told that a connection is over once all that came before has been handled. */
  end(connection: Connection, code: number, reason: string): void;
  /** What is too much. */
  refuse(connection: Connection, message: string | Buffer): void;
  /** Characters of one connection that may wait, each message counted with what keeping it takes. */
  maxWaiting?: number;
  maxWaitingInAll?: number;
}

export interface Turns<Connection extends object> {
  message(connection: Connection, message: string | Buffer): void;
  close(connection: Connection, code: number, reason: string): void;
}

/**
 * What is handled in one turn of the event loop: of a connection before the others have theirs, and of all that wait
 * together. It is not measured in time, for Socket.IO does most of the work later in the same turn.
 */
const AT_ONCE = 32;
const AT_ONCE_CHARS = 64 * 1024;
/** A burst of tens of thousands of events is no misuse. */
const MAX_WAITING = 16 * 1024 * 1024;
/** Of all connections together: each has its turn so seldom by then that it had better come again. */
const MAX_WAITING_IN_ALL = 8 * MAX_WAITING;
/** What keeping a message takes besides its text. */
const OVERHEAD = 64;
/** What has been handled is let go by the thousand: each time costs as much as there is behind it. */
const MAX_DONE = 4096;

interface Waiting {
  messages: (string | Buffer)[];
  /** How many of them have been handled. */
  done: number;
  weight: number;
  ended: { code: number; reason: string } | null;
}

export function createTurns<Connection extends object>({
  handle,
  together,
  isBusy,
  end,
  refuse,
  maxWaiting = MAX_WAITING,
  maxWaitingInAll = MAX_WAITING_IN_ALL,
}: TurnsOptions<Connection>): Turns<Connection> {
  /** Whose turn comes first stands first. */
  const waiting = new Map<Connection, Waiting>();
  /** Of all that waits. */
  let weight = 0;
  /** Who sends, for a socket's messages come one after another, and how much of it was handled in this turn. */
  let current: Connection | null = null;
  let [messages, chars] = [0, 0];
  let isEndPlanned = false;

  function planEnd(): void {
    if (isEndPlanned) return;
    isEndPlanned = true;
    setImmediate(endTurn);
  }

  function endTurn(): void {
    isEndPlanned = false;
    current = null;
    if (waiting.size === 0) return;
    planEnd();
    if (isBusy()) return;
    const share = { messages: AT_ONCE / waiting.size, chars: AT_ONCE_CHARS / waiting.size };
    let all = { messages: 0, chars: 0 };
    while (all.messages < AT_ONCE && all.chars < AT_ONCE_CHARS) {
      const [first] = waiting;
      if (!first) return;
      const [connection, one] = first;
      const taken = { messages: 0, chars: 0 };
      together(connection, () => {
        while (hasMore(one) && taken.messages < share.messages && taken.chars < share.chars) {
          const message = next(one);
          weight -= weigh(message);
          taken.messages += 1;
          taken.chars += message.length;
          handle(connection, message);
        }
      });
      // To the end of the line.
      waiting.delete(connection);
      if (hasMore(one)) waiting.set(connection, one);
      // A turn later: what Socket.IO has not handed on yet when a connection ends is dropped.
      else if (one.ended) setImmediate(end, connection, one.ended.code, one.ended.reason);
      all = { messages: all.messages + taken.messages, chars: all.chars + taken.chars };
    }
  }

  return {
    message(connection, message) {
      const one = waiting.get(connection);
      if (one) {
        const more = weigh(message);
        if (one.weight + more > maxWaiting || weight + more > maxWaitingInAll) {
          return refuse(connection, message);
        }
        one.weight += more;
        weight += more;
        one.messages.push(message);
        return;
      }
      planEnd();
      if (current !== connection) [current, messages, chars] = [connection, 0, 0];
      if (messages >= AT_ONCE || chars >= AT_ONCE_CHARS) {
        const more = weigh(message);
        weight += more;
        waiting.set(connection, { messages: [message], done: 0, weight: more, ended: null });
        return;
      }
      messages += 1;
      chars += message.length;
      handle(connection, message);
    },

    close(connection, code, reason) {
      const one = waiting.get(connection);
      if (one) one.ended = { code, reason };
      else end(connection, code, reason);
    },
  };
}

function weigh(message: string | Buffer): number {
  return message.length + OVERHEAD;
}

function hasMore({ messages, done }: Waiting): boolean {
  return done < messages.length;
}

function next(one: Waiting): string | Buffer {
  const message = one.messages[one.done] as string | Buffer;
  one.done += 1;
  one.weight -= weigh(message);
  if (one.done === MAX_DONE) {
    one.messages.splice(0, MAX_DONE);
    one.done = 0;
  }
  return message;
}
