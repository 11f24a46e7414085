/** What all servers that share a log say together; one that stands alone answers for itself. */
import type { Asked, NodeAbout } from "../cluster/cluster.ts";
import { CodedError } from "../protocol/errors.ts";
import { isObject } from "../protocol/event.ts";
import type { ClientList, ClusterNode, ConnectedClient, Stats } from "../protocol/messages.ts";
import type { Scope } from "../protocol/query.ts";
import { RELEASE_VERSION } from "../version.ts";
import { clientList, compareClients, type ServerContext, severityOf, statsReport } from "./context.ts";

/** Questions of one server to the others. */
const TOPICS = { stats: "stats", clients: "clients", dismiss: "dismiss" } as const;

/** How this server is written down for the others. */
export function aboutSelf(
  context: ServerContext,
  place: Pick<NodeAbout, "instance" | "url" | "keeps">,
): NodeAbout {
  return {
    ...place,
    server_id: context.serverId,
    version: RELEASE_VERSION,
    uptime: (Date.now() - context.startedAt) / 1000,
    clients: context.hub.clients.count(),
    status: severityOf(context.checks()),
  };
}

/** The answer to another server's question; undefined where it is not known. */
export function answerPeer(context: ServerContext, topic: string, payload: unknown): unknown {
  if (topic === TOPICS.stats) return statsReport(context);
  if (topic === TOPICS.clients) return clientList(context).clients;
  if (topic === TOPICS.dismiss && isObject(payload) && typeof payload.sid === "string")
    return context.hub.dismiss(payload.sid, new CodedError("dismissed"));
  return undefined;
}

/** The answer to `GET /stats`. */
export async function wholeStats(context: ServerContext, scope: Scope): Promise<Stats> {
  const cluster = context.cluster();
  if (cluster === null || scope === "node") return statsReport(context);
  const asked = await cluster.ask(TOPICS.stats);
  // Made last: it is what this server knows best.
  const own = statsReport(context);
  const others = asked.answers.flatMap(({ answer }) => (isStats(answer) ? [answer] : []));
  const answering = asked.answers.filter(({ answer }) => isStats(answer)).map(({ node }) => node);
  const rows = [cluster.self(), ...answering].map((node) => rowOf(node));
  // What another release answers may not be understood.
  const misunderstood = asked.answers.filter(({ answer }) => !isStats(answer)).map(({ node }) => node);
  const silentNodes = [...asked.silent, ...misunderstood];
  const silent = silentNodes.map((node) => ({ ...rowOf(node), status: "silent" as const }));
  const byId = (a: ClusterNode, b: ClusterNode) => a.server_id.localeCompare(b.server_id);
  return {
    ...sumOf(own, others),
    nodes: [...rows, ...silent].toSorted(byId),
    partial: isPartial({ ...asked, silent: silentNodes }),
  };
}

/** The answer to `GET /api/clients`. */
export async function wholeClients(context: ServerContext, scope: Scope): Promise<ClientList> {
  const cluster = context.cluster();
  if (cluster === null || scope === "node") return clientList(context);
  const asked = await cluster.ask(TOPICS.clients);
  const of = (id: string, clients: readonly ConnectedClient[]) =>
    clients.map((client) => ({ ...client, server_id: id }));
  const clients = [
    ...of(context.serverId, clientList(context).clients),
    ...asked.answers.flatMap(({ node, answer }) =>
      Array.isArray(answer) ? of(node.server_id, answer as ConnectedClient[]) : [],
    ),
  ].toSorted(compareClients);
  return {
    clients,
    total: clients.length,
    silent: asked.silent.map(({ server_id, url }) => ({ server_id, url })),
    partial: isPartial(asked),
  };
}

/** Sends a client away, whichever server it is connected to; throws `client_not_found`. */
export async function dismissAnywhere(context: ServerContext, sid: string): Promise<void> {
  if (context.hub.dismiss(sid, new CodedError("dismissed"))) return;
  const cluster = context.cluster();
  if (cluster === null) throw new CodedError("client_not_found");
  const isDone = (answer: unknown) => answer === true;
  const { answers, silent, reachable } = await cluster.ask(TOPICS.dismiss, { sid }, { until: isDone });
  if (answers.some(({ answer }) => isDone(answer))) return;
  const names = silent.map(({ server_id }) => server_id).join(", ");
  if (!reachable)
    throw new CodedError("client_not_found", "It is not connected to this server, and Redis is away");
  if (names !== "")
    throw new CodedError("client_not_found", `No server that answers has it; no answer came from ${names}`);
  throw new CodedError("client_not_found");
}

/** As far as it is added up. */
function isStats(answer: unknown): answer is Stats {
  return (
    isObject(answer) &&
    [answer.connections, answer.events, answer.delivery, answer.redacted, answer.memory].every(isObject)
  );
}

function isPartial({ silent, reachable }: Asked): boolean {
  return !reachable || silent.length > 0;
}

function rowOf({ server_id, url, version, uptime, clients, status }: NodeAbout): ClusterNode {
  return { server_id, url, version, uptime, clients, status };
}

/** The log is one and the same; all else is added up. */
function sumOf(own: Stats, others: readonly Stats[]): Stats {
  const all = [own, ...others];
  const sum = (value: (stats: Stats) => number) => all.reduce((total, one) => total + (value(one) || 0), 0);
  const activity = all.flatMap(({ events }) => events.last_activity ?? []);
  const redacted: Record<string, number> = {};
  for (const [kind, amount] of all.flatMap((one) => Object.entries(one.redacted)))
    redacted[kind] = (redacted[kind] ?? 0) + amount;
  return {
    ...own,
    connections: {
      current_clients: sum(({ connections }) => connections.current_clients),
      total_served: sum(({ connections }) => connections.total_served),
      client_versions: Object.assign({}, ...all.map(({ connections }) => connections.client_versions)),
    },
    events: {
      ...own.events,
      total_processed: sum(({ events }) => events.total_processed),
      last_activity: activity.toSorted().at(-1) ?? null,
    },
    errors: sum(({ errors }) => errors),
    delivery: {
      lagging_clients: sum(({ delivery }) => delivery.lagging_clients),
      catch_ups: sum(({ delivery }) => delivery.catch_ups),
      dropped: sum(({ delivery }) => delivery.dropped),
    },
    redacted,
    memory: { rss: sum(({ memory }) => memory.rss) },
  };
}
