/** The one place where a failure becomes an HTTP answer. */
import { type CodedError, toCodedError } from "../../protocol/errors.ts";

export function errorResponse(error: unknown): Response {
  const coded: CodedError = toCodedError(error);
  return Response.json({ error: coded.toBody() }, { status: coded.status });
}
