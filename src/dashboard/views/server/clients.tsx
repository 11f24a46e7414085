/** Who is connected. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { ClientFilter, ClientList, ConnectedClient } from "../../../protocol/messages.ts";
import { lastSegment, shortSession } from "../../../sessions/names.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Since } from "../../parts/since.tsx";
import { oneLine } from "../../parts/text.ts";
import { bytes, count } from "../../parts/words.ts";
import { disconnectClient, problemText } from "../../state/api.ts";
import { mayAdminister } from "../../state/login.ts";
import { CLIENTS_TITLE } from "./health.tsx";

/** What this page calls itself, and any other client may. */
const DASHBOARD = "dashboard";
const TRANSPORTS: Record<ConnectedClient["transport"], string> = {
  websocket: "WebSocket",
  polling: "polling",
  stream: "event stream",
};

const COLUMN_OF_SERVERS: Column<ConnectedClient> = {
  key: "server",
  name: "Server",
  sortBy: ({ server_id: id }) => id ?? null,
  cell: ({ server_id: id }) => oneLine(id ?? ""),
};

interface ClientsProps {
  list: ClientList;
  /** This page is one of them. */
  isThisPageIn: boolean;
}

export function Clients({ list: { clients, silent = [] }, isThisPageIn }: ClientsProps) {
  const dashboards = clients.filter(({ client_id: id }) => id === DASHBOARD).length;
  const knowsThisPage = dashboards === 1 && isThisPageIn;
  const said = useSignal("");
  const mayEnd = mayAdminister();
  const isShared = clients.some(({ server_id: id }) => id !== undefined);
  const columns = useMemo(() => {
    const end = async (client: ConnectedClient) => {
      if (!confirm(`Disconnect ${nameOf(client)}? It may connect again.`)) return;
      said.value = await disconnectClient(client.sid).then(
        () => `${nameOf(client)} was disconnected.`,
        (error: unknown) => problemText(error),
      );
    };
    const columnOfEnds: Column<ConnectedClient> = {
      key: "end",
      name: "Action",
      cell: (client) => (
        <button type="button" aria-label={`Disconnect ${nameOf(client)}`} onClick={() => void end(client)}>
          Disconnect
        </button>
      ),
    };
    return [
      ...columnsOf(knowsThisPage),
      ...(isShared ? [COLUMN_OF_SERVERS] : []),
      ...(mayEnd ? [columnOfEnds] : []),
    ];
  }, [knowsThisPage, mayEnd, isShared]);
  return (
    <section class="block" aria-labelledby={CLIENTS_TITLE}>
      <div class="block-head">
        <h2 id={CLIENTS_TITLE} tabIndex={-1}>
          Clients
        </h2>
        <p class="muted">
          {count(clients.length, "connected", "connected")}
          {dashboards > 1 && `, ${count(dashboards)} of them dashboards`}
          {silent.length > 0 &&
            `; those of ${silent.map(({ server_id: id }) => oneLine(id)).join(", ")} are missing`}
        </p>
        <p class="muted" role="status">
          {said.value}
        </p>
      </div>
      <DataTable
        caption="Connected clients"
        columns={columns}
        rows={clients}
        keyOf={({ sid }) => sid}
        sort="-lag"
        isFirst={isIncompatible}
        rowClass={(client) => (isIncompatible(client) ? "row-incompatible" : "")}
      />
    </section>
  );
}

export function isIncompatible({ compatible }: ConnectedClient): boolean {
  return !compatible;
}

/** @param knowsThisPage the only dashboard there is is this page; of several nobody knows which it is */
function columnsOf(knowsThisPage: boolean): Column<ConnectedClient>[] {
  return [
    {
      key: "client",
      name: "Client",
      sortBy: ({ client_id: id, sid }) => id ?? sid,
      cell: ({ client_id: id, sid }) => (
        <>
          {id === null ? <span class="id">{oneLine(sid)}</span> : oneLine(id)}{" "}
          {id === DASHBOARD && <span class="tag">{knowsThisPage ? "this page" : "a dashboard"}</span>}
          {id !== null && <span class="id client-sid">{oneLine(sid)}</span>}
        </>
      ),
    },
    {
      key: "version",
      name: "Version",
      sortBy: ({ version }) => version,
      cell: ({ client_id: id, version, compatible, warnings }) => (
        <>
          {version !== "unknown" ? (
            oneLine(version)
          ) : (
            <span class="muted">{id === DASHBOARD ? "the server's own page" : "not told"}</span>
          )}{" "}
          {!compatible && (
            <>
              <strong class="incompatible">not compatible</strong>
              {warnings.map((warning) => (
                <span key={warning} class="client-warning">
                  {oneLine(warning)}
                </span>
              ))}
            </>
          )}
        </>
      ),
    },
    {
      key: "transport",
      name: "Transport",
      sortBy: ({ transport }) => transport,
      cell: ({ transport }) => TRANSPORTS[transport] ?? oneLine(transport),
    },
    {
      key: "receives",
      name: "Receives",
      sortBy: ({ filter }) => filterWords(filter),
      cell: ({ filter }) =>
        filter === null ? <span class="muted">everything</span> : <span>{filterWords(filter)}</span>,
    },
    {
      key: "lag",
      name: "Lag",
      title: "How far it is behind the newest event",
      isNumber: true,
      sortBy: ({ lag_events: lag }) => lag,
      cell: ({ lag_events: lag }) =>
        lag === 0 ? <span class="muted">live</span> : <strong class="lagging">{count(lag, "event")}</strong>,
    },
    {
      key: "buffered",
      name: "Buffered",
      title: "Given to its connection and not taken yet",
      isNumber: true,
      sortBy: ({ buffered_bytes: buffered }) => buffered,
      cell: ({ buffered_bytes: buffered }) => (
        <span class={buffered === 0 ? "muted" : ""}>{bytes(buffered)}</span>
      ),
    },
    {
      key: "since",
      name: "Connected",
      isNumber: true,
      // How long, as it is shown.
      sortBy: ({ connected_at: at }) => -Date.parse(at),
      cell: ({ connected_at: at }) => <Since time={at} />,
    },
  ];
}

function nameOf({ client_id: id, sid }: ConnectedClient): string {
  return oneLine(id ?? sid);
}

function filterWords(filter: ClientFilter | null): string {
  if (filter === null) return "everything";
  const { session_id: session, project, types, since, until, q } = filter;
  return [
    session !== undefined && `session ${shortSession(session)}`,
    project !== undefined && `project ${lastSegment(project)}`,
    types !== undefined && types.join(", "),
    q !== undefined && `“${q}”`,
    since !== undefined && `since ${since}`,
    until !== undefined && `until ${until}`,
  ]
    .filter((text) => text !== false)
    .map((text) => oneLine(text))
    .join("; ");
}
