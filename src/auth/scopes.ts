/** What a token may do. */

/** `publish` sends events, `subscribe` reads them and all that is said of them, `admin` does both and all else. */
export const SCOPES = ["publish", "subscribe", "admin"] as const;

export type Scope = (typeof SCOPES)[number];

/** What a token has to allow: a scope, or anything at all. */
export type Needed = Scope | "any";

/** What an entrance asks for: nothing, or a token. */
export type AccessLevel = "open" | Needed;

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

export function allows(granted: readonly Scope[], needed: Needed): boolean {
  if (needed === "any") return granted.length > 0;
  return granted.includes(needed) || granted.includes("admin");
}
