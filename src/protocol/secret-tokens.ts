/** Secrets that are known by their own form, wherever they stand. */
import { isReference, looksRandom } from "./secret-names.ts";
import type { Mask } from "./secret-values.ts";

/** Forms that are looked for together. */
export interface Group {
  /**
   * One of these is in every text that holds such a secret. They are fragments, cut so that one of their first letters
   * is a rare one, which is what the engine looks for, and several of them, since it has only a few such letters at a
   * time: that takes a third of the time of one expression for all.
   */
  signs: RegExp[];
  redact(text: string, mask: Mask): string;
}

/** Kinds of tokens, by what they begin with; each is taken to its end. */
const TOKENS: { signs: RegExp[]; start: RegExp; kinds: Record<string, RegExp> }[] = [
  {
    signs: [
      /KIA|SIA|Iza|SG\.|yJ[h-z0-6]|SK[0-9a-f]|sk-(?:ant-|proj|svca|admi|or-v|[A-Za-z0-9]{20})|[sr]k_[lt]/,
    ],
    start: /sk-|[sr]k_[lt]|A[KS]IA|AIza|SG\.|SK[0-9a-f]|eyJ/g,
    kinds: {
      "anthropic-key": /sk-ant-[A-Za-z0-9_-]{16,}/y,
      "openai-key": /sk-(?:(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,})/y,
      "stripe-key": /[sr]k_(?:live|test)_[A-Za-z0-9]{10,}/y,
      "aws-key-id": /A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])/y,
      "google-key": /AIza[A-Za-z0-9_-]{35,}/y,
      "sendgrid-key": /SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/y,
      "twilio-key": /SK[0-9a-f]{32}(?![A-Za-z0-9])/y,
      jwt: /eyJ[A-Za-z0-9_-]{8,}\.ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/y,
    },
  },
  {
    // Together they take twice as long.
    signs: [/gh[pousr]_/, /xox[a-s]-/],
    start: /gh[pousr]_|xox[a-s]-/g,
    kinds: {
      "github-token": /gh[pousr]_[A-Za-z0-9_]{30,}/y,
      "slack-token": /xox[abeoprs]-[A-Za-z0-9-]{10,}/y,
    },
  },
  {
    signs: [/[_l]pat[-_]|ypi-/],
    start: /github_pat_|glpat-|pypi-/g,
    kinds: {
      "github-token": /github_pat_[A-Za-z0-9_]{22,}/y,
      "gitlab-token": /glpat-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{2,})*/y,
      "pypi-token": /pypi-[A-Za-z0-9_-]{40,}/y,
    },
  },
  {
    signs: [/npm_|_v1_/, /hf_/, /cm[ls]_/],
    start: /npm_|do[opr]_v1_|hf_|cm[ls]_/g,
    kinds: {
      // Our own: auth/token-file.ts and auth/login-codes.ts make them.
      "server-token": /cms_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/y,
      "login-code": /cml_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/y,
      "npm-token": /npm_[A-Za-z0-9]{36,}/y,
      "digitalocean-token": /do[opr]_v1_[a-f0-9]{64}/y,
      "hugging-face-token": /hf_[A-Za-z0-9]{30,}/y,
    },
  },
];

const URL_PASSWORD = /(:\/\/[^\s:@/"'`<>\\?#[\]]{0,128}:)([^\s/"'`<>\\?#]{1,512})@/g;

const KEY_BLOCK =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----([^-]*(?:-(?!----)[^-]*)*)(-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?/g;
const BASE64_LINE = /[A-Za-z0-9+/=]{30}/;
const BASE64_LINES = /^(?:[A-Za-z0-9+/=\s]|\\+[nrt])*/;

const BEARER = /\b(bearer\s{1,4})([A-Za-z0-9._~+/=-]{8,})/gi;

export const TOKEN_GROUPS: Group[] = [
  ...TOKENS.map(({ signs, start, kinds }) => {
    const forms = Object.entries(kinds);
    return { signs, redact: (text: string, mask: Mask) => redactTokens(text, start, forms, mask) };
  }),
  {
    signs: [/@/],
    redact: (text, mask) =>
      text.replace(URL_PASSWORD, (all, before: string, password: string) => {
        return isReference(password) ? all : `${before}${mask("url-password")}@`;
      }),
  },
];

function redactTokens(
  text: string,
  start: RegExp,
  forms: readonly [kind: string, form: RegExp][],
  mask: Mask,
): string {
  let result = "";
  let done = 0;
  start.lastIndex = 0;
  for (let found = start.exec(text); found; found = start.exec(text)) {
    if (!isWordStart(text, found.index)) continue;
    for (const [kind, form] of forms) {
      form.lastIndex = found.index;
      if (!form.test(text)) continue;
      result += text.slice(done, found.index) + mask(kind);
      done = start.lastIndex = form.lastIndex;
      break;
    }
  }
  return done === 0 ? text : result + text.slice(done);
}

/** So it is behind a line's end, or another character, that was escaped, and behind the last line of a key. */
function isWordStart(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 5), index);
  return !/[A-Za-z0-9_-]$/.test(before) || /\\[nrt]$|%[0-9A-F]{2}$|-{5}$/.test(before);
}

/** Where a key's last line is missing, as much is taken as can be of it. That its first line is mentioned makes no key. */
export function redactPrivateKeys(text: string, mask: Mask): string {
  return text.replace(KEY_BLOCK, (all: string, body: string, end?: string) => {
    const [lines = ""] = BASE64_LINES.exec(body) ?? [];
    if (BASE64_LINE.test(end === undefined ? lines : body)) {
      return mask("private-key") + (end === undefined ? body.slice(lines.length) : "");
    }
    return end !== undefined && lines === body ? mask("private-key") : all;
  });
}

export function redactBearers(text: string, mask: Mask): string {
  return text.replace(BEARER, (all, before: string, token: string) => {
    const isToken = looksRandom(token) || (token.length >= 20 && /[a-z][A-Z]/.test(token));
    return isToken ? before + mask("bearer-token") : all;
  });
}
