/** What an instance file says, whoever has read it. */
import { asksForTokens } from "../config/access.ts";
import { isObject } from "../protocol/event.ts";

export interface Instance {
  pid: number;
  process_start_time: string;
  /** See `ProcessIdentity.token`. */
  process_token: string;
  server_id: string;
  server_version: string;
  /** Of the program; early builds do not say. */
  release_version?: string;
  host: string;
  port: number;
  url: string;
  /** PEM of its own certificate, as it shows it now; null without TLS, and early builds do not say. */
  certificate?: string | null;
  state_dir: string;
  started_at: string;
  executable: string;
  /** The flags it was started with, for `restart`. */
  args: string[];
  /** Its effective configuration without secrets, for telling what differs. */
  settings: Record<string, unknown>;
  /** Where each setting comes from that is not a built-in default. */
  sources: Record<string, string>;
}

/** The instance of the server on a port; null for what is not wholly one. */
export function parseInstance(text: string, port: number): Instance | null {
  try {
    const instance: unknown = JSON.parse(text);
    return isInstance(instance) && instance.port === port ? instance : null;
  } catch {
    // Half a document, or none.
    return null;
  }
}

/** Whether the server asks for one; a file that does not say is of a release without tokens. */
export function asksForToken({ settings: { auth }, host }: Instance): boolean {
  return (auth === "on" || auth === "auto") && asksForTokens({ auth, host });
}

/** Every field that is used has to be there: the file may be anybody's. */
function isInstance(value: unknown): value is Instance {
  if (!isObject(value)) return false;
  const texts = ["process_token", "server_id", "host", "url", "executable"];
  return (
    Number.isSafeInteger(value.pid) &&
    Number(value.pid) > 0 &&
    texts.every((name) => typeof value[name] === "string" && value[name] !== "") &&
    Array.isArray(value.args) &&
    value.args.every((arg) => typeof arg === "string") &&
    isObject(value.settings) &&
    isObject(value.sources)
  );
}
