/** Makes a file of a session that others can look at: what is in it is said before it is saved. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JsonObject } from "../../../protocol/event.ts";
import { redactValue } from "../../../protocol/redact.ts";
import { MAX_PROMPT_CHARS } from "../../../sessions/step.ts";
import { createStory } from "../../../sessions/story.ts";
import { count } from "../../parts/words.ts";
import { getHealth } from "../../state/api.ts";
import { exportedPage, type ExportedSession, fileName, FORMAT } from "../../state/exported.ts";
import { entryOf, goneOf, MAX_EVENTS, withEarlier } from "../../state/session-log.ts";
import type { SessionSource } from "../../state/session-source.ts";

interface ExportDialogProps {
  isOpen: Signal<boolean>;
  source: SessionSource;
}

type Made = { exported: ExportedSession } | { problem: string } | { loaded: number };

export function ExportDialog({ isOpen, source }: ExportDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const made = useSignal<Made>({ loaded: 0 });
  const said = useSignal("");
  useEffect(() => {
    if (!isOpen.value) return dialog.current?.close();
    dialog.current?.showModal();
    const stop = new AbortController();
    made.value = { loaded: 0 };
    said.value = "";
    make(source, stop.signal, (loaded) => (made.value = { loaded })).then(
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
              <> {count(value.exported.omitted, "older event is", "older events are")} left out.</>
            )}
          </p>
          <p>
            Masking knows the usual forms only: keys and tokens of well-known services, passwords in
            addresses, and what is called a password, key, token or secret. Cookies, <code>.netrc</code> files
            and <code>curl -u</code> it does not know. Prompts, code, paths and outputs are in the file as
            they are; look through it before you pass it on.
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
  stop: AbortSignal,
  onProgress: (loaded: number) => void,
): Promise<ExportedSession> {
  const told = await source.session();
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
  const omitted = Math.max(0, total - events.length) + goneOf(told, total);
  // Told anew: in texts that are cut, half a secret may stand at the end, where no mask knows it.
  const story = createStory(source.id);
  let now = Date.now();
  for (const event of events) {
    const entry = entryOf(event);
    if (entry === null) continue;
    story.add(entry);
    now = Math.max(now, entry.step.time);
  }
  const session = story.sessionAt(now);
  if (session === null) throw new Error("none of them can be read");
  const isWhole = told?.prompt && told.prompt.length < MAX_PROMPT_CHARS;
  const prompt = isWhole ? redactValue(told.prompt).value : null;
  return {
    format: FORMAT,
    version: 1,
    exported_at: new Date().toISOString(),
    server_version: version,
    redacted: masked,
    ...(omitted > 0 ? { omitted } : {}),
    session: withEarlier(session, told && redactValue(told).value, prompt, omitted),
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
