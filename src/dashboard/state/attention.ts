/** Calls a person who looks elsewhere: the window's title and icon, and notifications where they are wanted. */
import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Session } from "../../protocol/messages.ts";
import { lastSegment } from "../../sessions/names.ts";
import { oneLine } from "../parts/text.ts";
import { go, linkTo } from "./route.ts";
import type { SessionList } from "./sessions.ts";
import { notifies } from "./settings.ts";

const NAME = "claude-mpm-socketio";
const MAX_BODY_CHARS = 200;

export function useAttention(sessions: SessionList, title: string): void {
  useEffect(
    () =>
      effect(() => {
        const { length } = sessions.waiting.value;
        document.title = length > 0 ? `(${length}) waiting for you · ${NAME}` : `${title} · ${NAME}`;
        setIcon(length);
      }),
    [title],
  );
  useEffect(() => {
    /** Those a person has been told of, or saw when the page was opened, with the notifications that tell of them. */
    let known: Map<string, Notification | null> | null = null;
    return effect(() => {
      if (!sessions.isLoaded.value) return;
      const waiting = new Map(sessions.waiting.value.map((session) => [keyOf(session), session]));
      for (const [key, notification] of known ?? []) if (!waiting.has(key)) notification?.close();
      const before = known;
      const mayTell = before !== null && notifies.value;
      known = new Map(
        [...waiting].map(([key, session]) => {
          if (before?.has(key)) return [key, before.get(key) ?? null];
          return [key, mayTell ? notify(key, session) : null];
        }),
      );
    });
  }, []);
}

/** True when the person has allowed it. */
export async function allowNotifications(): Promise<boolean> {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}

/** Each time it begins to wait is another one. */
function keyOf({ session_id: id, state_since: since }: Session): string {
  return `${id} ${since}`;
}

/** Null where there are none, or the browser has them only for pages with a service worker, as on Android. */
function notify(key: string, { session_id: id, project, waiting_for: wait }: Session): Notification | null {
  if (!("Notification" in globalThis) || Notification.permission !== "granted") return null;
  const body = [wait?.tool, wait?.message].filter(Boolean).join(": ") || "an answer is wanted";
  try {
    const notification = new Notification(oneLine(`${lastSegment(project)} waits for you`), {
      body: oneLine(body.slice(0, MAX_BODY_CHARS)),
      tag: key,
    });
    notification.onclick = () => {
      globalThis.focus();
      go(linkTo("session", {}, id));
      notification.close();
    };
    return notification;
  } catch {
    return null;
  }
}

/** The icon of the tab, with a mark while somebody waits. */
function setIcon(waiting: number): void {
  const mark = waiting > 0 ? "<circle cx='24' cy='8' r='8' fill='#f5a623'/>" : "";
  const svg = [
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>",
    "<rect width='32' height='32' rx='8' fill='#1f6feb'/>",
    "<path d='M7 10.5h11M11 16h15M7 21.5h8' stroke='#fff' stroke-width='3.4' stroke-linecap='round'/>",
    `${mark}</svg>`,
  ].join("");
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]") ?? document.createElement("link");
  link.rel = "icon";
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  if (!link.isConnected) document.head.append(link);
}
