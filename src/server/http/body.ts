/** Reads request bodies within a limit. */
import { CodedError } from "../../protocol/errors.ts";
import { exceedsBytes, parseExactJson } from "../../protocol/json.ts";

/** The body as text; throws `body_too_large` before reading it where its length is announced. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const text = await request.text();
  if (exceedsBytes(text, maxBytes)) throw tooLarge(maxBytes);
  return text;
}

/** Parses JSON; throws `invalid_json` with the parser's reason. */
export function parseJson(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    throw invalidJson(error);
  }
}

export function invalidJson(error: unknown): CodedError {
  return new CodedError("invalid_json", `The body is not valid JSON: ${(error as Error).message}`);
}

function tooLarge(maxBytes: number): CodedError {
  return new CodedError("body_too_large", `The body is larger than ${maxBytes} bytes`);
}
