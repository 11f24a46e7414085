/** Questions to all nodes at once and their answers, by way of Redis' channels. */
import { randomUUID } from "node:crypto";
import { isObject } from "../protocol/event.ts";
import type { Redis } from "../redis/connection.ts";
import { pack, unpack } from "./envelope.ts";

export interface Questions {
  /**
   * Asks, and resolves with what each of these nodes answers, as far as it does so in time.
   *
   * @param until ends the waiting with the first answer that will do
   */
  ask(
    nodes: readonly string[],
    topic: string,
    payload: unknown,
    options: { timeoutMs: number; until?: (answer: unknown) => boolean },
  ): Promise<Map<string, unknown>>;
}

export interface QuestionsOptions {
  /** For commands. */
  redis: Redis;
  /** For channels; it takes no other commands. */
  subscriber: Redis;
  /** Of the channels' names. */
  prefix: string;
  instance: string;
  /** Undefined is no answer: a topic of another release. */
  answer(topic: string, payload: unknown): unknown;
  onError(error: unknown): void;
}

interface Waiting {
  left: Set<string>;
  answers: Map<string, unknown>;
  until: ((answer: unknown) => boolean) | undefined;
  done(): void;
}

export function createQuestions(options: QuestionsOptions): Questions {
  const { redis, subscriber, prefix, instance, answer, onError } = options;
  const questions = `${prefix}questions`;
  const answersTo = (node: string) => `${prefix}answers:${node}`;
  const open = new Map<string, Waiting>();

  async function reply(message: unknown): Promise<void> {
    if (!isObject(message)) return;
    const { id, from, topic, payload } = message;
    if (typeof id !== "string" || typeof from !== "string" || typeof topic !== "string") return;
    if (from === instance) return;
    try {
      const own = answer(topic, payload);
      if (own !== undefined) await redis.publish(answersTo(from), pack({ id, from: instance, payload: own }));
    } catch (error) {
      // Whoever asks is told that there is no answer, by the time that goes by.
      onError(error);
    }
  }

  function take(message: unknown): void {
    if (!isObject(message) || typeof message.from !== "string") return;
    const waiting = open.get(String(message.id));
    if (!waiting?.left.delete(message.from)) return;
    waiting.answers.set(message.from, message.payload);
    if (waiting.left.size === 0 || waiting.until?.(message.payload)) waiting.done();
  }

  subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) => {
    if (channel.toString() === questions) void reply(unpack(message));
    else take(unpack(message));
  });
  // A connection that comes again has forgotten what it was told.
  const subscribe = () => void subscriber.subscribe(questions, answersTo(instance)).catch(onError);
  subscriber.on("ready", subscribe);
  if (subscriber.status === "ready") subscribe();

  return {
    async ask(nodes, topic, payload, { timeoutMs, until }) {
      const answers = new Map<string, unknown>();
      if (nodes.length === 0) return answers;
      const id = randomUUID();
      const { promise, resolve } = Promise.withResolvers<void>();
      open.set(id, { left: new Set(nodes), answers, until, done: resolve });
      const timer = setTimeout(resolve, timeoutMs);
      try {
        await redis.publish(questions, pack({ id, from: instance, topic, payload }));
        await promise;
        return answers;
      } finally {
        clearTimeout(timer);
        open.delete(id);
      }
    },
  };
}
