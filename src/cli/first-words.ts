/** What a server that has just started says of how to use it. */
import { quote } from "../hooks/settings/own-hook.ts";

export interface TrialNeeds {
  /** Where a token lies, when one is asked for: not the token itself, for the line may be kept. */
  tokenFile: string | null;
  tlsCert: string | null;
}

/** A first command. */
export function trialText(url: string, { tokenFile, tlsCert }: TrialNeeds): string {
  const place = (path: string) => quote(path, process.platform);
  const words = [
    "curl",
    ...(tlsCert === null ? [] : [`--cacert ${place(tlsCert)}`]),
    ...(tokenFile === null ? [] : [`-H "Authorization: Bearer $(cat ${place(tokenFile)})"`]),
    `-d '{"type":"hello"}'`,
    `${url}/api/events`,
  ];
  return `Try: ${words.join(" ")}`;
}

/** A token that nobody can read again. */
export function firstTokenText(token: string): string {
  return [
    `Its first token, shown this once: ${token}`,
    "With it others send and read events: as `Authorization: Bearer …`, or for this program CLAUDE_MPM_SOCKETIO_TOKEN=…",
    "Make more, or take it back: claude-mpm-socketio token create|list|revoke",
  ].join("\n");
}
