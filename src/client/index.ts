/**
 * The client library, for browsers, Node 20 and Bun: `claude-mpm-socketio/client`.
 *
 * @example
 * import { getClientManager } from "claude-mpm-socketio/client";
 * const client = getClientManager();
 * client.on("event", ({ seq, type, data }) => show(seq, type, data));
 * client.start();
 * await client.emitEvent("build.done", { target: "web" });
 */
export type { Ask, AskOptions } from "./ask.ts";
export type { Refusal } from "./connection.ts";
export {
  type DiscoveredServer,
  type DiscoverOptions,
  discoverServers,
  findBestServer,
  type JudgedServer,
} from "./discovery.ts";
export { ClientManager, getClientManager } from "./manager.ts";
export type { ClientEvents, ClientManagerOptions } from "./manager-options.ts";
export { EventRefused } from "./outbox.ts";
export { type EventFields, EventSender, type Stored, type TodoItem } from "./sender.ts";
export type { Compatibility } from "../protocol/compatibility.ts";
export type { HistoryGap, VersionInfo } from "../protocol/messages.ts";
export type { ResumePosition } from "../protocol/query.ts";
