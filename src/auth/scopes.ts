/** What a token may do. */

/** `publish` sends events, `subscribe` reads them and all that is said of them, `admin` does both and all else. */
export const SCOPES = ["publish", "subscribe", "admin"] as const;

export type Scope = (typeof SCOPES)[number];

/** What an entrance asks for: nothing, or a scope. */
export type AccessLevel = "open" | Scope;

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

export function allows(granted: readonly Scope[], needed: Scope): boolean {
  return granted.includes(needed) || granted.includes("admin");
}
