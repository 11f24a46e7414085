/** For Node and Bun, beside the library, which pages load too: `claude-mpm-socketio/client/node`. */
import type { Ask } from "./ask.ts";
import { askTrusting } from "./http.ts";
import { agentFor } from "./trust.ts";

/**
 * Options for `ClientManager`, `discoverServers` and `findBestServer` that believe a server by its certificate: exactly
 * this one, or one that chains to it, whatever host it was made for, and nobody else's.
 *
 * @param certificate PEM
 * @example
 * const client = new ClientManager({ url: "https://localhost:8765", ...trusting(readFileSync("cert.pem", "utf8")) });
 */
export function trusting(certificate: string): { ask: Ask; agent: object } {
  const certificates = [certificate];
  return { ask: askTrusting(() => certificates), agent: agentFor({ url: "https:", certificates }) as object };
}
