/** The events claude-mpm's sessions report, by name; whatever carries them away. */
import type { JsonObject } from "../protocol/event.ts";

/** Where an event stands in the log. */
export interface Stored {
  /** Null where the server, one of claude-mpm's own, says no more than that it has it. */
  seq: number | null;
  id: string;
}

export interface TodoItem extends JsonObject {
  content?: string;
  status?: string;
}

/** What a sender sends besides `type` and `data`, at the event's top. */
export interface EventFields extends JsonObject {
  session_id?: string;
  /** The directory the session runs in: what `--project` filters by. */
  cwd?: string;
  /** Makes sending it again, also by another program, safe. One is made when not given; with a given one it may come back. */
  id?: string;
}

export abstract class EventSender {
  #session: { fields: EventFields; startedAt: number } | null = null;

  /**
   * Sends one event. Resolves once it is stored; rejects with an `EventRefused`. Nobody has to wait for it: a promise
   * that is let go is no unhandled rejection.
   *
   * @param data anything JSON has a form for
   * @param fields stand beside `data` at the event's top; between `sessionStarted` and `sessionEnded` its `session_id` and
   *   `cwd` do so by themselves
   */
  emitEvent(type: string, data: unknown, fields: EventFields = {}): Promise<Stored> {
    return this.send(type, { ...this.#session?.fields, ...fields, data });
  }

  protected abstract send(type: string, fields: JsonObject): Promise<Stored>;

  /** `session.start`. */
  sessionStarted(sessionId: string, launchMethod: string, workingDirectory: string): Promise<Stored> {
    const startedAt = Date.now();
    this.#session = { fields: { session_id: sessionId, cwd: workingDirectory }, startedAt };
    return this.emitEvent("session.start", {
      session_id: sessionId,
      start_time: new Date(startedAt).toISOString(),
      launch_method: launchMethod,
      working_directory: workingDirectory,
    });
  }

  /** `session.end`. */
  sessionEnded(): Promise<Stored> {
    const { fields, startedAt } = this.#session ?? {};
    const now = Date.now();
    const sent = this.emitEvent("session.end", {
      session_id: fields?.session_id ?? null,
      end_time: new Date(now).toISOString(),
      duration_seconds: startedAt === undefined ? null : (now - startedAt) / 1000,
    });
    this.#session = null;
    return sent;
  }

  /** `claude.status`. */
  claudeStatusChanged(status: string, pid: number | null = null, message = ""): Promise<Stored> {
    return this.emitEvent("claude.status", { status, pid, message });
  }

  /** `agent.delegation`. */
  agentDelegated(agent: string, task: string, status = "started"): Promise<Stored> {
    return this.emitEvent("agent.delegation", { agent, task, status });
  }

  /** `todo.update`. */
  todoUpdated(todos: readonly TodoItem[]): Promise<Stored> {
    return this.emitEvent("todo.update", { todos });
  }
}
