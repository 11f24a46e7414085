/** Names that say that a value is a secret, and values that are none whatever they are called. */

/** They may be the end of a longer one: `DB_PASSWORD`, `accessToken`. */
const NAME =
  /(?:(?:api|access|account|auth|encryption|master|private|secret|service|signing)[_-]?key|pass(?:word|wd|phrase)|pwd|secret|token|authorization)$/i;
/** These name a place in a list. */
const CURSOR = /(?:page|next|cursor|continuation|resume|sync)[_-]?token$/i;
/** Besides ids: the directory, by which projects are told apart. */
const IDENTITY = /(?:^|[_-])id$|[a-z]Id$|^(?:cwd|working_directory)$/;
/** More of a name than this is not looked at. */
export const MAX_NAME_CHARS = 64;

/** Names come again and again. */
const kindsByName = new Map<string, string | null>();
const MAX_REMEMBERED = 1000;

/** They stand for a secret that is elsewhere, or has been taken out. */
const REFERENCES = [
  /^\s*$/,
  /\[redacted:/,
  /^\$[\w({@*]|\$[{(]|\$[A-Z_]{3}|^%\w+%?$|^<[^>]*>$|^\{/,
  /\*{3}|^(?:x{3,}|\.{3}.*|….*)$/i,
  /^(?:process|import\.meta|os|env|Deno|Bun|self|this|config|options|opts|args|settings|secrets)[.[]/i,
];
const PATH = /^(?:~|\.{0,2})(?:\/[\w.-]+)+\/?$/;
/** As many characters as a secret key of AWS has, which may begin as a path does. */
const AWS_SECRET_CHARS = 40;

/** They stand there where code or prose tells of a secret. */
const PLACEHOLDERS = [
  /^(?:your|new|old|the)?[_-]?(?:password|passwd|passphrase|secret|token|api[_-]?key|key|value)(?:[_-]?here)?$/i,
  /^your[_-]/i,
  /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/,
  /^(?:string|str|number|int|bool|boolean|bytes|buffer|object|any|unknown|undefined|null|nil|none|true|false|required|optional)$/i,
  /^(?:(?:big)?u?(?:int|float)\d+(?:clamped)?(?:array)?|base\d+\w*|utf\d+\w*|sha\d+|md5)$/i,
  /^[A-Za-z_$]+(?:\.[A-Za-z_$]+)+$/,
  /^[a-z][a-z0-9+-]*:\/\//i,
];

/** What kind of secret a name stands for, or null. */
export function kindOfName(name: string): string | null {
  const known = kindsByName.get(name);
  if (known !== undefined) return known;
  const end = name.slice(-MAX_NAME_CHARS);
  const [found = null] = NAME.exec(end) ?? [];
  const kind = found === null || CURSOR.test(end) ? null : kindOf(found.toLowerCase());
  if (kindsByName.size >= MAX_REMEMBERED) kindsByName.clear();
  if (name.length <= MAX_NAME_CHARS) kindsByName.set(name, kind);
  return kind;
}

/** Whether what a name stands for tells one thing from another, such as a session. */
export function isIdentity(name: string): boolean {
  return IDENTITY.test(name);
}

function kindOf(name: string): string {
  if (/^(?:pass|pwd)/.test(name)) return "password";
  return name.replace(/[_-]?key$/, "-key");
}

export function isReference(value: string): boolean {
  return (
    REFERENCES.some((reference) => reference.test(value)) ||
    (PATH.test(value) && value.length !== AWS_SECRET_CHARS)
  );
}

export function isPlaceholder(value: string): boolean {
  return PLACEHOLDERS.some((placeholder) => placeholder.test(value));
}

/** Of numbers, words and names in code, most are not. */
export function looksRandom(value: string): boolean {
  return value.length >= 6 && /\d/.test(value) && /[A-Za-z]/.test(value);
}
