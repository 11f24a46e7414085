/** All that is known of one session: its events as far as they are kept, and the story they tell. */
import { signal } from "@preact/signals";
import { indexEvent, type JsonObject } from "../../protocol/event.ts";
import type { Session } from "../../protocol/messages.ts";
import { kept } from "../../sessions/kept.ts";
import { readStep } from "../../sessions/step.ts";
import { createStory, type Entry, type LiveStory, type Story } from "../../sessions/story.ts";
import { summarise } from "../../sessions/summary.ts";
import type { Page, SessionSource } from "./session-source.ts";

/** The newest so many are shown. */
export const MAX_EVENTS = 20_000;
/** Live ones that may come on top before all is loaded anew. */
const SLACK = 5000;
/** Drawn anew at most so often while events come. */
const REFRESH_MS = 200;
const RETRY_MS = 2000;
const MAX_TEXT_CHARS = 1000;

export class SessionLog {
  readonly source: SessionSource;
  readonly state = signal<"loading" | "ready" | "absent" | "failed">("loading");
  readonly problem = signal("");
  /** How many events of how many are loaded. */
  readonly progress = signal<[loaded: number, total: number]>([0, 0]);
  /** Counts up with what there is. */
  readonly version = signal(0);
  /** Older events than those shown: those that the source has, and those that it no longer has. */
  readonly cut = signal(0);
  /** Of these, those that the source no longer has. */
  readonly gone = signal(0);
  /** In the order of their times. */
  entries: Entry[] = [];
  #story: LiveStory;
  /** As its source told of it, with what no event in reach tells any more. */
  #told: Session | null = null;
  #isPromptSeen = false;
  #seqs = new Set<number>();
  #refreshTimer: ReturnType<typeof setTimeout> | null = null;
  #isWanted = true;

  constructor(source: SessionSource) {
    this.source = source;
    this.#story = createStory(source.id);
  }

  /** Its calls may have begun before. */
  get firstTime(): number {
    return this.entries[0]?.step.time ?? 0;
  }

  /** The time of the last event, whatever clock it is by. */
  get lastTime(): number {
    return this.entries.at(-1)?.step.time ?? 0;
  }

  /** The answer ends it. */
  start(): () => void {
    const waiting: JsonObject[] = [];
    let isLoaded = false;
    const unfollow = this.source.follow((events) => {
      if (isLoaded) this.#take(events);
      else waiting.push(...events);
    });
    const load = async () => {
      isLoaded = false;
      try {
        await this.#load();
        isLoaded = true;
        this.#take(waiting.splice(0));
      } catch (error) {
        if (!this.#isWanted) return;
        this.problem.value = error instanceof Error ? error.message : String(error);
        if (this.state.value === "loading") this.state.value = "failed";
        setTimeout(() => this.#isWanted && load(), RETRY_MS);
      }
    };
    this.#reload = () => void load();
    void load();
    return () => {
      this.#isWanted = false;
      unfollow();
      if (this.#refreshTimer !== null) clearTimeout(this.#refreshTimer);
    };
  }

  read(now: number): Story {
    return this.#story.read(now);
  }

  /** The last prompt, where it lies before all events in reach. */
  get earlierPrompt(): string | null {
    return this.#isPromptSeen ? null : (this.#told?.prompt ?? null);
  }

  /** Null before it began. */
  sessionAt(time: number): Session | null {
    const session = this.#story.sessionAt(time);
    return session && withEarlier(session, this.#told, this.earlierPrompt, this.cut.value);
  }

  #reload = () => {};

  async #load(): Promise<void> {
    await this.source.ready();
    // Asked first: what comes in between is never taken for lost.
    const told = await this.source.session();
    const pages: Page[] = [];
    let loaded = 0;
    for await (const page of this.source.pages()) {
      if (!this.#isWanted) return;
      pages.unshift(page);
      loaded += page.events.length;
      this.progress.value = [loaded, page.total];
      if (loaded >= MAX_EVENTS) break;
    }
    this.entries = [];
    this.#seqs = new Set();
    this.#isPromptSeen = false;
    this.#story = createStory(this.source.id);
    const total = pages.at(-1)?.total ?? 0;
    const events = pages.flatMap((page) => page.events).slice(-MAX_EVENTS);
    for (const event of events) this.#add(event);
    this.#told = told;
    this.gone.value = goneOf(told, total);
    this.cut.value = Math.max(0, total - events.length) + this.gone.value;
    this.state.value = events.length > 0 ? "ready" : "absent";
    this.version.value += 1;
  }

  #take(events: readonly JsonObject[]): void {
    if (events.length === 0) return;
    for (const event of events) this.#add(event);
    if (this.#seqs.size > MAX_EVENTS + SLACK) return this.#reload();
    this.state.value = "ready";
    this.#refreshTimer ??= setTimeout(() => {
      this.#refreshTimer = null;
      this.version.value += 1;
    }, REFRESH_MS);
  }

  #add(event: JsonObject): void {
    const entry = entryOf(event);
    if (entry === null || this.#seqs.has(entry.seq)) return;
    this.#seqs.add(entry.seq);
    this.#story.add(entry);
    this.#isPromptSeen ||= isPrompt(entry);
    const { entries } = this;
    let at = entries.length;
    while (at > 0 && isBefore(entry, entries[at - 1] as Entry)) at -= 1;
    if (at === entries.length) entries.push(entry);
    else entries.splice(at, 0, entry);
  }
}

/** How many events of a session its source no longer has, of which it still has so many. */
export function goneOf(told: Session | null, total: number): number {
  return Math.max(0, (told?.event_count ?? 0) - total);
}

/** A session with what its events in reach no longer tell. */
export function withEarlier(
  session: Session,
  told: Session | null,
  prompt: string | null,
  events: number,
): Session {
  if (events === 0 || told === null) return session;
  return {
    ...session,
    project: session.project ?? told.project,
    prompt: session.prompt ?? prompt,
    started_at: session.started_at < told.started_at ? session.started_at : told.started_at,
    event_count: session.event_count + events,
  };
}

/** Null for what cannot be read at all. */
export function entryOf(event: JsonObject): Entry | null {
  const seq = Number(event.seq);
  const receivedAt = Date.parse(String(event.received_at)) || Date.now();
  try {
    const step = readStep(event, indexEvent(event).project, receivedAt);
    return { step, seq, text: kept(summarise(event).text, MAX_TEXT_CHARS) };
  } catch {
    // Nested deeper than the stack is.
    return null;
  }
}

/** Whether it is a human's. */
function isPrompt({ step: { name, prompt, agentId, report } }: Entry): boolean {
  if (prompt === "") return false;
  return name === "session_start" || (name === "user_prompt_submit" && agentId === null && report === null);
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.step.time < b.step.time || (a.step.time === b.step.time && a.seq < b.seq);
}
