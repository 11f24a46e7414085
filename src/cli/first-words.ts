/** What a server that has just started says of how to use it. */
import { quote } from "../hooks/settings/own-hook.ts";

/**
 * A first command.
 *
 * @param tokenFile where a token lies, when one is asked for: not the token itself, for the line may be kept
 */
export function trialText(url: string, tokenFile: string | null): string {
  const event = `-d '{"type":"hello"}' ${url}/api/events`;
  if (tokenFile === null) return `Try: curl ${event}`;
  return `Try: curl -H "Authorization: Bearer $(cat ${quote(tokenFile, process.platform)})" ${event}`;
}

/** A token that nobody can read again. */
export function firstTokenText(token: string): string {
  return [
    `Its first token, shown this once: ${token}`,
    "With it others send and read events: as `Authorization: Bearer …`, or for this program CLAUDE_MPM_SOCKETIO_TOKEN=…",
    "Make more, or take it back: claude-mpm-socketio token create|list|revoke",
  ].join("\n");
}
