/** Makes a file of a session that others can look at: what is in it is said before it is saved. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JsonObject } from "../../../protocol/event.ts";
import { redactValue } from "../../../protocol/redact.ts";
import type { Session } from "../../../protocol/messages.ts";
import { count } from "../../parts/words.ts";
import { getHealth } from "../../state/api.ts";
import { exportedPage, type ExportedSession, fileName, FORMAT } from "../../state/exported.ts";
import { MAX_EVENTS } from "../../state/session-log.ts";
import type { SessionSource } from "../../state/session-source.ts";

interface ExportDialogProps {
  isOpen: Signal<boolean>;
  source: SessionSource;
  session: Session;
}

type Made = { exported: ExportedSession } | { problem: string } | { loaded: number };

export function ExportDialog({ isOpen, source, session }: ExportDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const made = useSignal<Made>({ loaded: 0 });
  const said = useSignal("");
  useEffect(() => {
    if (!isOpen.value) return dialog.current?.close();
    dialog.current?.showModal();
    const stop = new AbortController();
    made.value = { loaded: 0 };
    said.value = "";
    make(source, session, stop.signal, (loaded) => (made.value = { loaded })).then(
      (exported) => {
        if (!stop.signal.aborted) made.value = { exported };
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        made.value = { problem: error instanceof Error ? error.message : String(error) };
      },
    );
    return () => stop.abort();
  }, [isOpen.value]);

  const save = async (exported: ExportedSession, kind: "html" | "json") => {
    try {
      const text = kind === "html" ? await pageOf(exported) : JSON.stringify(exported, null, 1);
      const name = fileName(exported.session, new Date(exported.exported_at), kind);
      download(text, name, kind === "html" ? "text/html" : "application/json");
      said.value = `Saved as ${name}`;
    } catch (error) {
      said.value = `Not saved: ${error instanceof Error ? error.message : String(error)}`;
    }
  };

  const { value } = made;
  return (
    <dialog
      ref={dialog}
      class="help export"
      aria-labelledby="export-title"
      onClose={() => (isOpen.value = false)}
    >
      <div class="help-head">
        <h2 id="export-title">Export this session</h2>
        <button type="button" onClick={() => (isOpen.value = false)}>
          Close
        </button>
      </div>
      {"problem" in value && <p class="problem">The events cannot be read: {value.problem}</p>}
      {"loaded" in value && (
        <p role="status" class="muted">
          Reading and masking… {count(value.loaded, "event")}
        </p>
      )}
      {"exported" in value && (
        <>
          <p role="status">
            <b>{count(value.exported.events.length, "event")}</b>,{" "}
            <b>{count(value.exported.redacted, "secret")} masked</b>.
            {value.exported.omitted !== undefined && (
              <> {count(value.exported.omitted, "older event")} are left out.</>
            )}
          </p>
          <p>
            Masking knows the usual forms only: keys and tokens of well-known services, passwords in addresses
            and assignments. Prompts, code, paths and outputs are in the file as they are; look through it
            before you pass it on.
          </p>
          <div class="export-actions">
            <button type="button" class="primary" onClick={() => void save(value.exported, "html")}>
              Save HTML
            </button>
            <span class="muted">a page with timeline and replay that needs no server</span>
            <button type="button" onClick={() => void save(value.exported, "json")}>
              Save JSON
            </button>
            <span class="muted">the same events for programs</span>
          </div>
        </>
      )}
      <p role="status" class="muted">
        {said.value}
      </p>
    </dialog>
  );
}

/** Masked between so many events others get their turn. */
const STEP = 100;

async function make(
  source: SessionSource,
  session: Session,
  stop: AbortSignal,
  onProgress: (loaded: number) => void,
): Promise<ExportedSession> {
  const pages: JsonObject[][] = [];
  let [loaded, masked, total] = [0, 0, 0];
  for await (const page of source.pages()) {
    const events: JsonObject[] = [];
    for (const event of page.events) {
      const { value, count: found } = redactValue(event);
      events.push(value);
      masked += found;
      loaded += 1;
      if (loaded % STEP > 0) continue;
      onProgress(loaded);
      await new Promise((resolve) => setTimeout(resolve));
      if (stop.aborted) throw new Error("given up");
    }
    pages.unshift(events);
    ({ total } = page);
    if (loaded >= MAX_EVENTS) break;
  }
  const events = pages.flat().slice(-MAX_EVENTS);
  const { server_version: version } = await getHealth();
  // What it says is said in the events too, where it was counted.
  const { value: ownSession } = redactValue(session);
  return {
    format: FORMAT,
    version: 1,
    exported_at: new Date().toISOString(),
    server_version: version,
    redacted: masked,
    ...(total > events.length ? { omitted: total - events.length } : {}),
    session: ownSession,
    events,
  };
}

/** This page itself, as the server sends it. */
async function pageOf(exported: ExportedSession): Promise<string> {
  const response = await fetch(new URL("/", location.origin));
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  return exportedPage(await response.text(), response.headers.get("content-security-policy") ?? "", exported);
}

/** Long enough for any browser to have begun. */
const REVOKE_MS = 60_000;

function download(text: string, name: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}
