/** Reads request bodies within a limit. */
import { CodedError } from "../../protocol/errors.ts";
import { parseExactJson } from "../../protocol/json.ts";

/** One for all: without `stream` a decoder keeps nothing from one call to the next. */
const UTF_8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The body as text; throws `body_too_large`, before keeping any of it where its length is announced, or
 * `invalid_json` when it is no UTF-8, `encoding_unsupported` when it says that it is compressed.
 */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) {
    await discard(request);
    throw tooLarge(maxBytes);
  }
  const bytes = await request.bytes();
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && !/^(identity)?$/i.test(encoding)) throw new CodedError("encoding_unsupported");
  try {
    return UTF_8.decode(bytes);
  } catch {
    throw new CodedError("invalid_json", "The body is not valid UTF-8");
  }
}

/** Reads the rest of a body for nothing: many clients look at the answer only when all is sent. */
async function discard(request: Request): Promise<void> {
  const reader = request.body?.getReader();
  while (reader && !(await reader.read()).done);
}

/** Parses JSON; throws `invalid_json` with the parser's reason. */
export function parseJson(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    throw invalidJson(error);
  }
}

/** Malformed, or nested deeper than the parser's stack. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof RangeError;
}

export function invalidJson(error: unknown): CodedError {
  return new CodedError("invalid_json", `The body is not valid JSON: ${(error as Error).message}`);
}

function tooLarge(maxBytes: number): CodedError {
  return new CodedError("body_too_large", `The body is larger than ${maxBytes} bytes`);
}
