/** The Socket.IO client for browsers; the engine for Bun does not serve it. */
import { CodedError } from "../../protocol/errors.ts";
import { SOCKETIO_VERSION } from "../../version.ts";
import { errorResponse } from "../errors.ts";
// The bundles lie outside the package's export map, so they are named by path; as text they have no types.
// @ts-expect-error
import plain from "../../../node_modules/socket.io/client-dist/socket.io.js" with { type: "text" };
// @ts-expect-error
import minified from "../../../node_modules/socket.io/client-dist/socket.io.min.js" with { type: "text" };

const BUNDLES: Record<string, string> = {
  "/socket.io/socket.io.js": plain as unknown as string,
  "/socket.io/socket.io.min.js": minified as unknown as string,
};
const ETAG = `"${SOCKETIO_VERSION}"`;

/** The bundle at this path, 304 to a client that has it, or null when the path is no bundle's. */
export function serveBundle(request: Request, path: string): Response | null {
  const source = BUNDLES[path];
  if (source === undefined) return null;
  if (request.method !== "GET" && request.method !== "HEAD") {
    const response = errorResponse(
      new CodedError("method_not_allowed", `${request.method} is not for ${path}`),
    );
    response.headers.set("Allow", "GET, HEAD");
    return response;
  }
  const headers = {
    ETag: ETAG,
    "Cache-Control": "public, max-age=0",
    "Content-Type": "text/javascript; charset=utf-8",
  };
  const known = request.headers
    .get("if-none-match")
    ?.split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  return known?.includes(ETAG)
    ? new Response(null, { status: 304, headers })
    : new Response(source, { headers });
}
