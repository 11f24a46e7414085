/** The servers that share a log. */
import { useMemo } from "preact/hooks";
import type { ClusterNode } from "../../../protocol/messages.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { oneLine } from "../../parts/text.ts";
import { age, count } from "../../parts/words.ts";

/** @param self the one that this page has asked */
export function Nodes({ nodes, self }: { nodes: readonly ClusterNode[]; self: string }) {
  const columns = useMemo(() => columnsFor(self), [self]);
  const silent = nodes.filter(({ status }) => status === "silent").length;
  return (
    <section class="block" aria-labelledby="nodes-title">
      <div class="block-head">
        <h2 id="nodes-title">Servers</h2>
        <p class="muted">
          {count(nodes.length, "shares", "share")} this log; clients, events, errors and memory are counted
          together.
          {silent > 0 &&
            ` ${count(silent, "does", "do")} not answer, and ${silent === 1 ? "is" : "are"} not counted.`}
        </p>
      </div>
      <DataTable
        caption="Servers that share the log"
        columns={columns}
        rows={nodes}
        keyOf={({ server_id: id, url }) => `${id} ${url}`}
        sort="server"
        isFirst={({ status }) => status === "silent"}
      />
    </section>
  );
}

function columnsFor(self: string): Column<ClusterNode>[] {
  return [
    {
      key: "server",
      name: "Server",
      sortBy: ({ server_id: id }) => id,
      cell: ({ server_id: id }) => (
        <>
          {oneLine(id)} {id === self && <span class="tag">the one asked</span>}
        </>
      ),
    },
    {
      key: "status",
      name: "Status",
      sortBy: ({ status }) => status,
      cell: ({ status }) =>
        status === "healthy" ? status : <strong class="lagging">{oneLine(status)}</strong>,
    },
    { key: "url", name: "Address", sortBy: ({ url }) => url, cell: ({ url }) => oneLine(url) },
    {
      key: "version",
      name: "Version",
      sortBy: ({ version }) => version,
      cell: ({ version }) => oneLine(version),
    },
    {
      key: "clients",
      name: "Clients",
      isNumber: true,
      sortBy: ({ clients }) => clients,
      cell: ({ clients }) => count(clients),
    },
    {
      key: "uptime",
      name: "Uptime",
      isNumber: true,
      sortBy: ({ uptime }) => uptime,
      cell: ({ uptime }) => age(uptime * 1000),
    },
  ];
}
