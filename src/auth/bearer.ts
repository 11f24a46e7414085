/** Where a request carries its token (https://www.rfc-editor.org/rfc/rfc6750). */

/** The token of `Authorization: Bearer`, or null. */
export function bearerToken(header: string | null | undefined): string | null {
  const match = /^bearer +(\S+) *$/i.exec(header ?? "");
  return match?.[1] ?? null;
}

/** The token of `?token=`, for what a browser opens without being able to send a header. */
export function queryToken(url: string): string | null {
  if (!url.includes("token=")) return null;
  return new URL(url).searchParams.get("token") || null;
}
