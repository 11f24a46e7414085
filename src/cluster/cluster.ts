/** The other servers that share the log: which there are, and what they answer. */
import { isObject } from "../protocol/event.ts";
import type { HealthCheck } from "../protocol/messages.ts";
import { channelPrefix, connectRedis, type Redis } from "../redis/connection.ts";
import { createMembership, type Members } from "./membership.ts";
import { asNode, type NodeAbout } from "./node.ts";
import { createQuestions } from "./questions.ts";

export type { NodeAbout } from "./node.ts";

export interface Cluster {
  /** Asks all other nodes; never rejects. */
  ask(topic: string, payload?: unknown, options?: AskOptions): Promise<Asked>;
  /** What this node is, as of now. */
  self(): NodeAbout;
  figures(): ClusterFigures;
  check(): HealthCheck;
  /** Tells the others that this one goes. */
  close(): Promise<void>;
}

export interface AskOptions {
  timeoutMs?: number;
  /** Ends the waiting with the first answer that will do. */
  until?: (answer: unknown) => boolean;
}

export interface Asked {
  /** With what each node is as of its answer. */
  answers: { node: NodeAbout; answer: unknown }[];
  /** Those that are there and have not answered in time. */
  silent: NodeAbout[];
  /** False where Redis is away: nobody knows who else is there. */
  reachable: boolean;
}

export interface ClusterFigures {
  /** This one too; the last number known while Redis is away. */
  nodes: number;
  /** Whether Redis takes what this node says of itself. */
  up: boolean;
}

export interface ClusterOptions {
  url: string;
  /** See `Cluster.self`. */
  about(): NodeAbout;
  /** What it answers the others; undefined to a question it does not know. */
  answer(topic: string, payload: unknown): unknown;
  onError?(error: unknown): void;
  /** Told when the others are heard of, for the first time or again. */
  onRejoined?(): void;
}

const BEAT_MS = 1000;
const ANSWER_MS = 500;
const COMMAND_MS = 500;
const ALONE: Asked = { answers: [], silent: [], reachable: false };

/** Joins; resolves when the others know of it, or Redis is away: then it joins when that is back. */
export async function openCluster({
  url,
  about,
  answer,
  onError = () => {},
  onRejoined = () => {},
}: ClusterOptions): Promise<Cluster> {
  const { instance, server_id: id } = about();
  const connect = (what: string) => connectRedis(url, { name: `${id}-${what}`, commandTimeout: COMMAND_MS });
  const redis = connect("nodes");
  const subscriber = connect("questions");
  const prefix = channelPrefix(url);
  const membership = createMembership(redis, instance);
  const questions = createQuestions({
    redis,
    subscriber,
    prefix,
    instance,
    onError,
    answer(topic, payload) {
      const own = answer(topic, payload);
      return own === undefined ? undefined : { node: about(), answer: own };
    },
  });
  let members: Members = { count: 1, keeps: { least: 0, most: 0 } };
  let up = false;
  let beating: Promise<void> | null = null;

  async function beat(): Promise<void> {
    // First it can be asked, then it is known.
    await subscriber.ping().catch((error: unknown) => anewIfSilent(subscriber, error));
    const wasUp = up;
    try {
      members = await membership.beat(about());
      up = true;
    } catch (error) {
      up = false;
      // A connection may be dead and not know it.
      anewIfSilent(redis, error);
    }
    if (up && !wasUp) onRejoined();
  }

  function beatAgain(): Promise<void> {
    return (beating ??= beat().finally(() => (beating = null)));
  }

  await Promise.all([ready(redis, COMMAND_MS), ready(subscriber, COMMAND_MS)]);
  await beatAgain();
  const timer = setInterval(() => void beatAgain(), BEAT_MS);
  redis.on("ready", () => void beatAgain());

  return {
    async ask(topic, payload = null, { timeoutMs = ANSWER_MS, until } = {}) {
      if (!up) return ALONE;
      try {
        const others = (await membership.list()).filter((node) => node.instance !== instance);
        const ids = others.map((node) => node.instance);
        const answers = await questions.ask(ids, topic, payload, {
          timeoutMs,
          ...(until === undefined ? {} : { until: (one) => until(readAnswer(one)?.answer) }),
        });
        return {
          answers: [...answers.values()].map(readAnswer).filter((one) => one !== null),
          silent: others.filter((node) => !answers.has(node.instance)),
          reachable: true,
        };
      } catch (error) {
        onError(error);
        return ALONE;
      }
    },
    self: about,
    figures: () => ({ nodes: members.count, up }),
    check() {
      const name = "cluster";
      if (!up) {
        return { name, status: "degraded", message: "Redis is away: the other servers are not heard of" };
      }
      const { count, keeps } = members;
      if (keeps.least < keeps.most) {
        const message = `one server has a \`max_history_size\` of ${keeps.least}, which counts for all, and others have up to ${keeps.most}: give all the same`;
        return { name, status: "degraded", message };
      }
      const others = count === 1 ? "the only server on its Redis" : `one of ${count} servers on its Redis`;
      return { name, status: "healthy", message: others };
    },
    async close() {
      clearInterval(timer);
      await beating;
      if (up) await membership.leave().catch(onError);
      up = false;
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}

function readAnswer(payload: unknown): Asked["answers"][number] | null {
  if (!isObject(payload)) return null;
  const node = asNode(payload.node);
  return node === null ? null : { node, answer: payload.answer };
}

function anewIfSilent(redis: Redis, error: unknown): void {
  if (/timed out/.test(String(error)) && redis.status === "ready") redis.disconnect(true);
}

/** Waits until it is connected, no longer than this. */
function ready(redis: Redis, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (redis.status === "ready") return resolve();
    const timer = setTimeout(resolve, limitMs);
    redis.once("ready", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
