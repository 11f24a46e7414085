/** The one place where a failure becomes an HTTP answer. */
import { type CodedError, toCodedError } from "../protocol/errors.ts";

/** After a refusal for this moment, where nothing more is known. */
const RETRY_AFTER_SECONDS = 1;

const refused = new WeakMap<Response, CodedError>();

/** What an answer refuses; undefined where it refuses nothing. */
export function refusalOf(response: Response): CodedError | undefined {
  return refused.get(response);
}

/**
 * @param more fields beside `error`, for clients that read another form of it
 * @param requestId stands in what the server itself is the reason of, so that its log can be searched for it
 */
export function errorResponse(error: unknown, more: object = {}, requestId?: string): Response {
  const coded = toCodedError(error);
  const inLog = requestId !== undefined && coded.status >= 500 ? { request_id: requestId } : {};
  const response = Response.json(
    { ...more, error: { ...coded.toBody(), ...inLog } },
    { status: coded.status, headers: headersOf(coded) },
  );
  refused.set(response, coded);
  return response;
}

/** The challenge is that of https://www.rfc-editor.org/rfc/rfc6750#section-3. */
function headersOf({ code, status, retryAfter = RETRY_AFTER_SECONDS }: CodedError): Record<string, string> {
  if (code === "token_missing") return { "WWW-Authenticate": "Bearer" };
  if (code === "token_invalid") return { "WWW-Authenticate": 'Bearer error="invalid_token"' };
  if (code === "scope_missing") return { "WWW-Authenticate": 'Bearer error="insufficient_scope"' };
  return status === 429 || status === 503 ? { "Retry-After": `${Math.max(1, Math.ceil(retryAfter))}` } : {};
}
