/** The file a session is exported as. */
import { expect, test } from "bun:test";
import {
  embedded,
  exportedPage,
  exportedSource,
  type ExportedSession,
  fileName,
  FORMAT,
  offlinePolicy,
  readExported,
} from "../../src/dashboard/state/exported.ts";
import type { Session } from "../../src/protocol/messages.ts";

const SESSION = {
  session_id: "7be0c1de-0190-4c1e-9d51-aa00bb11cc22",
  project: "/home/dev/my shop",
} as unknown as Session;

const POLICY =
  "default-src 'none'; script-src 'sha256-abc='; style-src 'sha256-def='; connect-src 'self'; img-src data:; " +
  "frame-ancestors 'none'; require-trusted-types-for 'script'";

function exported(text: string): ExportedSession {
  const event = { seq: 1, type: "hook.stop", session_id: SESSION.session_id, data: { text } };
  return {
    format: FORMAT,
    version: 1,
    exported_at: "2026-01-31T12:00:00.000Z",
    redacted: 3,
    session: SESSION,
    events: [event],
  };
}

test("nothing in an event can end the element it stands in", () => {
  const text = "</script><script>alert(1)</script><!-- <script \u2028 \u2029 & $& $'";
  const json = embedded(exported(text));
  expect(json).not.toContain("<");
  expect(json).not.toMatch(/[\u2028\u2029]/);
  expect(readExported(json)).toEqual(exported(text));
});

test("the page keeps its scripts as they are, and takes the policy that knows them", () => {
  const script = `<script type="module">const a = "<head></body>$&";</script>`;
  const page = `<!doctype html><html><head><title>t</title></head><body>${script}</body></html>`;
  const html = exportedPage(page, POLICY, exported("</body>"));
  expect(html).toContain(script);
  expect(html.indexOf("Content-Security-Policy")).toBeLessThan(html.indexOf("<title>"));
  expect(html.match(/<\/body>/g)).toHaveLength(2);
  expect(html.endsWith("</script></body></html>")).toBe(true);
});

test("in the file nothing may be asked of any server", () => {
  const policy = offlinePolicy(POLICY);
  expect(policy).toContain("script-src 'sha256-abc='");
  expect(policy).toContain("connect-src 'none'");
  expect(policy).not.toContain("'self'");
  expect(policy).not.toContain("frame-ancestors");
  expect(policy).toContain("require-trusted-types-for 'script'");
});

test("the file is named after project, session and day", () => {
  const at = new Date(2026, 0, 5, 9);
  expect(fileName(SESSION, at, "html")).toBe("my-shop-7be0c1de-2026-01-05.html");
  const odd = { session_id: "../../etc", project: null } as unknown as Session;
  expect(fileName(odd, at, "json")).toBe("session-..-..-etc-2026-01-05.json");
});

test("what is no exported session is said to be unreadable", () => {
  for (const text of [
    "",
    "[]",
    "{",
    `{"format":"${FORMAT}","version":2}`,
    `{"format":"${FORMAT}","version":1}`,
  ]) {
    expect(readExported(text)).toBe("unreadable");
  }
});

test("events come from the file alone", async () => {
  const source = exportedSource({ ...exported("x"), omitted: 7 });
  const pages = await Array.fromAsync(source.pages());
  expect(pages).toHaveLength(1);
  expect(pages[0]).toMatchObject({ total: 8 });
  expect(await source.event(1)).toMatchObject({ type: "hook.stop" });
  expect(await source.event(2)).toBeNull();
});
