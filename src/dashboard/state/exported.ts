/** A session in a file of its own: what stands in it, how it is made, and how a page that is one reads itself. */
import { isObject, type JsonObject } from "../../protocol/event.ts";
import { parseExactJson } from "../../protocol/json.ts";
import type { Session } from "../../protocol/messages.ts";
import { lastSegment, shortSession } from "../../sessions/names.ts";
import type { SessionSource } from "./session-source.ts";

export const FORMAT = "claude-mpm-socketio.session";
const ELEMENT_ID = "exported-session";

export interface ExportedSession {
  format: typeof FORMAT;
  version: 1;
  exported_at: string;
  server_version?: string;
  /** How many secrets were masked. */
  redacted: number;
  /** Older events that are left out. */
  omitted?: number;
  session: Session;
  events: JsonObject[];
}

/** The page as a file that shows one session and asks for nothing. */
export function exportedPage(page: string, policy: string, exported: ExportedSession): string {
  const meta = `<meta http-equiv="Content-Security-Policy" content="${attribute(offlinePolicy(policy))}">`;
  const block = `<script type="application/json" id="${ELEMENT_ID}">${embedded(exported)}</script>`;
  // The policy holds for what comes after it, and the page's scripts may name these tags too.
  const head = page.indexOf("<head>") + "<head>".length;
  const end = page.lastIndexOf("</body>");
  return `${page.slice(0, head)}<meta charset="utf-8">${meta}${page.slice(head, end)}${block}${page.slice(end)}`;
}

/** JSON that cannot end the element it stands in. */
export function embedded(value: unknown): string {
  return JSON.stringify(value).replace(/[<\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The policy of the page without what a meta element cannot say, and without a server to talk to. */
export function offlinePolicy(policy: string): string {
  const kept = policy
    .split(";")
    .map((directive) => directive.trim())
    .filter(
      (directive) =>
        directive !== "" && !/^(frame-ancestors|report-uri|sandbox|connect-src)\b/.test(directive),
    );
  return [...kept, "connect-src 'none'"].join("; ");
}

function attribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

/** `shop-7be0c1de-2026-08-02.html`, by the local calendar. */
export function fileName({ project, session_id: id }: Session, at: Date, extension: string): string {
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => `${part}`.padStart(2, "0"));
  const parts = [project === null ? "session" : lastSegment(project), shortSession(id)];
  const name = parts.map((part) => part.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 60));
  return `${[...name, ...day].join("-").replace(/^[.-]+/, "")}.${extension}`;
}

/** What this page holds, if it is the export of a session; "unreadable" if it is one of another kind. */
export function sessionInPage(): ExportedSession | "unreadable" | null {
  const element = document.getElementById(ELEMENT_ID);
  return element === null ? null : readExported(element.textContent ?? "");
}

export function readExported(text: string): ExportedSession | "unreadable" {
  const value = parsed(text);
  if (!isObject(value) || value.format !== FORMAT || value.version !== 1) return "unreadable";
  const { session, events } = value;
  const isWhole = isObject(session) && typeof session.session_id === "string" && Array.isArray(events);
  return isWhole ? (value as unknown as ExportedSession) : "unreadable";
}

function parsed(text: string): unknown {
  for (const parse of [parseExactJson, JSON.parse]) {
    try {
      return parse(text);
    } catch {
      // What is nested deeper than the stack is, only the plain parser takes.
    }
  }
  return null;
}

export function exportedSource({
  session,
  events,
  exported_at: at,
  redacted,
  omitted = 0,
}: ExportedSession): SessionSource {
  const own = events.filter(isObject);
  const bySeq = new Map(own.map((event) => [event.seq, event]));
  return {
    id: session.session_id,
    exported: { at: Date.parse(at) || Date.now(), masked: Number(redacted) || 0 },
    async *pages() {
      yield { events: own, total: own.length + omitted };
    },
    event: async (seq) => bySeq.get(seq) ?? null,
    session: async () => session,
    ready: async () => {},
    follow: () => () => {},
  };
}
