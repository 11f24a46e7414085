/** What a `ClientManager` can be told, and what it tells. */
import type { Compatibility } from "../protocol/compatibility.ts";
import type { JsonObject } from "../protocol/event.ts";
import type { HistoryGap } from "../protocol/messages.ts";
import type { ResumePosition } from "../protocol/query.ts";
import type { Refusal } from "./connection.ts";
import type { DiscoveredServer, DiscoverOptions } from "./discovery.ts";
import type { EventRefused } from "./outbox.ts";

/** What a `ClientManager` tells of. */
export interface ClientEvents {
  /** A compatible server has greeted it; `again` when it had been connected before. */
  connected: { server: DiscoveredServer; again: boolean };
  /** The connection is lost; it is looking for a server again, the same one first. */
  disconnected: { reason: string };
  /** An attempt found no server it can use; the next one comes after so many milliseconds. */
  retrying: { failures: number; delayMs: number };
  /** An event of somebody else, each once and in the order of `seq`; own ones do not come back. */
  event: JsonObject;
  /** Events that will not come, because the log no longer holds them or is another one. */
  gap: HistoryGap;
  /** A server does not take this client's version. It is left alone and the search goes on; said once per answer. */
  incompatible: { server: DiscoveredServer; compatibility: Compatibility };
  /** The buffer was full: this event, the oldest that waited, is lost; `dropped` counts all. */
  buffer_dropped: { event: JsonObject; dropped: number };
  /**
   * A server does not let it in, or take its events: the token is missing, not good, or for other things. It tries again
   * after so many milliseconds, for as long as it runs, and what it was given waits.
   */
  refused: Refusal & { server: DiscoveredServer; delayMs: number };
  /** No server will store this event, or it alone is larger than the buffer; it is not in there any more. */
  event_refused: { event: JsonObject; error: EventRefused };
}

export interface ClientManagerOptions extends DiscoverOptions {
  /** Of claude-mpm, as servers judge it. */
  clientVersion?: string;
  /** Told to the server; one is made when not given. */
  clientId?: string;
  /**
   * Lets it in where the server asks for one. It is sent to whichever server is found: name the `url` of the one it is
   * for, or give a function, which is asked before each connection.
   */
  token?: string | null | ((server: DiscoveredServer) => string | null);
  /**
   * Node and Bun: the `https.Agent` of its connections, for a server whose certificate the system does not trust.
   * `trusting` of `claude-mpm-socketio/client/node` gives it, and `ask` with it.
   */
  agent?: object | ((server: DiscoveredServer) => object | undefined);
  /** Narrows the events that come. */
  subscribe?: { session_id?: string; project?: string; types?: string[] };
  /** Where an earlier manager was (`position`): what came since then comes first. Without it events come from now on. */
  resume?: ResumePosition;
  /** Quick attempts before it pauses; only the last of them takes another server than the one that is lost. */
  maxConnectionAttempts?: number;
  /** Milliseconds before it tries again, growing from the one to the other, by chance a little more or less. */
  reconnectionDelayMs?: number;
  reconnectionDelayMaxMs?: number;
  /** Milliseconds of the pause after the quick attempts, and after a refusal. */
  pauseMs?: number;
  /** Milliseconds for a connection to be made and greeted. */
  connectTimeoutMs?: number;
  /** What may wait for a server; beyond it the oldest is dropped. An event that alone is larger is refused. */
  maxBufferedEvents?: number;
  maxBufferedBytes?: number;
}
