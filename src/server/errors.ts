/** The one place where a failure becomes an HTTP answer. */
import { toCodedError } from "../protocol/errors.ts";

/** @param more fields beside `error`, for clients that read another form of it */
export function errorResponse(error: unknown, more: object = {}): Response {
  const coded = toCodedError(error);
  return Response.json({ ...more, error: coded.toBody() }, { status: coded.status });
}
