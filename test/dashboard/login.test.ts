/** The dashboard of a server that asks for tokens. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Request } from "playwright-core";
import { addToken, removeTokens } from "../../src/auth/token-file.ts";
import type { Scope } from "../../src/auth/scopes.ts";
import { tokenPaths } from "../../src/config/paths.ts";
import { CHROMIUM, openPage, type OpenPage } from "../support/browser.ts";
import { connect } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const HOUR = 3_600_000;
/** What each token allows. One of them is over. */
const SCOPES = {
  sender: ["publish"],
  hooks: ["publish"],
  over: ["admin"],
  viewer: ["subscribe"],
  laptop: ["subscribe"],
  short: ["publish", "subscribe"],
  owner: ["admin"],
} satisfies Record<string, Scope[]>;

interface LockedServer extends TestServer {
  tokens: Record<keyof typeof SCOPES, string>;
  revoke(name: keyof typeof SCOPES): Promise<unknown>;
  send(...types: string[]): Promise<void>;
}

async function startLockedServer(): Promise<LockedServer> {
  const stateDir = temporaryDirectory();
  const { tokens: path } = tokenPaths(stateDir);
  const tokens = {} as LockedServer["tokens"];
  for (const [name, scopes] of Object.entries(SCOPES)) {
    const expiresAt = Date.now() + (name === "over" ? -HOUR : HOUR);
    tokens[name as keyof typeof SCOPES] = (await addToken(path, { name, scopes, expiresAt })).token;
  }
  const server = await startTestServer({ auth: "on", state_dir: stateDir });
  return {
    ...server,
    tokens,
    revoke: (name) => removeTokens(path, name),
    async send(...types) {
      const headers = { Authorization: `Bearer ${tokens.sender}` };
      const events = types.map((type) => ({ type, session_id: "s1" }));
      expect((await server.post("/api/events", events, { headers })).status).toBe(200);
    },
  };
}

const dialog = (page: OpenPage) => page.getByRole("dialog", { name: "Log in" });
const listed = (page: OpenPage, type: string) => page.getByRole("listbox").getByText(type, { exact: true });

async function enter(page: OpenPage, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByLabel("Token").press("Enter");
}

/** But for what Chromium itself says of a refusal. */
const ownProblems = ({ problems }: OpenPage) =>
  problems.filter((problem) => !/status of 40[13]|status of 429|Authorization/.test(problem));

/** All requests of a page from now on. */
function requestsOf(page: OpenPage): Request[] {
  const requests: Request[] = [];
  page.on("request", (request) => void requests.push(request));
  return requests;
}

describe.skipIf(CHROMIUM === null)("a dashboard that asks for a token", () => {
  let server: LockedServer;
  beforeAll(async () => {
    server = await startLockedServer();
    await server.send("first.event");
  });

  test("says of a token what is wrong with it, and goes on with a good one", async () => {
    const page = await openPage(`${server.url}/#/events`);
    await dialog(page).waitFor();
    expect(await dialog(page).getByRole("alert").innerText()).toBe("");
    expect(await page.getByLabel("Token").getAttribute("type")).toBe("password");
    await eventually(() => page.getByLabel("Token").evaluate((field) => field === document.activeElement));
    const bad: [string, RegExp][] = [
      ["cms_made-up", /not known here/],
      [server.tokens.over, /has expired/],
      [server.tokens.hooks, /does not have the scope "subscribe"/],
      ["två ord", /This is no token/],
    ];
    for (const [token, says] of bad) {
      await enter(page, token);
      await dialog(page).getByRole("alert").getByText(says).waitFor();
    }
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await dialog(page).waitFor();
    await enter(page, ` ${server.tokens.viewer}\n`);
    await listed(page, "first.event").waitFor();
    await dialog(page).waitFor({ state: "hidden" });
    await server.send("live.event");
    await listed(page, "live.event").waitFor();
    expect(ownProblems(page)).toEqual([]);
  });

  test("keeps who is logged in, says who it is, and forgets them when asked to", async () => {
    const token = server.tokens.laptop;
    const page = await openPage(`${server.url}/#/events`);
    await enter(page, token);
    await listed(page, "first.event").waitFor();
    await page.reload();
    await listed(page, "first.event").waitFor();
    await page.getByRole("button", { name: "Settings" }).click();
    const settings = page.getByRole("group", { name: "Settings" });
    expect(await settings.innerText()).toMatch(/Logged in with the token laptop \(subscribe, until .*\)/);
    expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain(token);
    await settings.getByRole("button", { name: "Log out" }).click();
    await dialog(page).waitFor();
    expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain(token);
    expect(await page.getByText("first.event").count()).toBe(0);
  });

  test("a link logs in, and its token is nowhere to be seen after that", async () => {
    const token = server.tokens.viewer;
    const page = await openPage("about:blank");
    page.problems.length = 0;
    const requests = requestsOf(page);
    await page.goto(`${server.url}/?token=${token}&x=1#/events`);
    await listed(page, "first.event").waitFor();
    expect(page.url()).toBe(`${server.url}/?x=1#/events`);
    expect(await page.evaluate(() => history.length)).toBe(2);
    const [document, ...others] = requests;
    expect(document?.url()).toContain(token);
    expect(others.filter((one) => one.url().includes(token) || one.headers().referer)).toEqual([]);
    expect(others.length).toBeGreaterThan(2);
    expect(await dialog(page).count()).toBe(0);
  });

  test("a link that is good once is exchanged, and is no harm when it is opened again", async () => {
    const headers = { Authorization: `Bearer ${server.tokens.owner}` };
    const { code } = (await server.post("/api/admin/login-link", "", { headers })).body;
    const page = await openPage("about:blank");
    for (const _ of ["first", "again"]) {
      await page.goto(`${server.url}/?token=${code}#/events`);
      await listed(page, "first.event").waitFor();
      expect(page.url()).toBe(`${server.url}/#/events`);
    }
    const kept = await page.evaluate(() => JSON.stringify(localStorage));
    expect([kept.includes("cms_"), kept.includes(code)]).toEqual([true, false]);
    await page.evaluate(() => localStorage.clear());
    await page.goto(`${server.url}/?token=${code}`);
    await dialog(page).getByRole("alert").getByText("The link has been used").waitFor();
  });

  test("a token that is taken back: what is shown stays, and it goes on where it was", async () => {
    const page = await openPage(`${server.url}/?token=${server.tokens.short}#/events`);
    await listed(page, "first.event").waitFor();
    await page.getByRole("searchbox").fill("event");
    await page.getByText(/all there are of these/).waitFor();
    await server.revoke("short");
    await dialog(page)
      .getByText(/has been revoked|not known here/)
      .waitFor();
    // Behind a modal dialog nothing has a role.
    expect(await page.locator(".event-row").getByText("first.event").isVisible()).toBe(true);
    await server.send("missed.event");
    await enter(page, server.tokens.viewer);
    await dialog(page).waitFor({ state: "hidden" });
    await listed(page, "missed.event").waitFor();
    expect(await listed(page, "first.event").count()).toBe(1);
    expect(await page.getByRole("searchbox").inputValue()).toBe("event");
    await page.getByRole("button", { name: "Connection" }).click();
    const notes = await page.getByRole("group", { name: "Connection" }).innerText();
    expect(notes).toMatch(/1 event caught up[^]*the log-in has ended/);
    expect(ownProblems(page)).toEqual([]);
  });

  test("a page beside it that logs in or out takes this one with it", async () => {
    const one = await openPage(`${server.url}/#/events`);
    await dialog(one).waitFor();
    const two = await one.context().newPage();
    await two.goto(`${server.url}/?token=${server.tokens.viewer}#/events`);
    await listed(one, "first.event").waitFor();
    await two.getByRole("button", { name: "Settings" }).click();
    await two.getByRole("button", { name: "Log out" }).click();
    await dialog(one).waitFor();
  });

  test("what needs the scope admin is left out, in a line, and is there for an admin", async () => {
    const { socket } = await connect(server.url, { token: server.tokens.viewer, client_id: "agent-a" });
    const page = await openPage(`${server.url}/?token=${server.tokens.viewer}#/server`);
    await page.getByText("told to tokens with the scope admin alone").waitFor();
    await page.getByText("Healthy", { exact: true }).waitFor();
    expect(await page.getByRole("table").count()).toBe(0);
    expect(page.problems).toEqual([]);

    const own = await openPage(`${server.url}/?token=${server.tokens.owner}#/server`);
    const asked: string[] = [];
    own.on("dialog", (question) => {
      asked.push(question.message());
      void (asked.length === 1 ? question.dismiss() : question.accept());
    });
    const end = own.getByRole("button", { name: "Disconnect agent-a" });
    await end.click();
    expect(socket.connected).toBe(true);
    await end.click();
    await own.getByText("agent-a was disconnected.").waitFor();
    await eventually(() => !socket.connected);
    expect(asked).toEqual(Array(2).fill("Disconnect agent-a? It may connect again."));
    await eventually(async () => (await end.count()) === 0);
  });

  test("after too many wrong ones it says how long to wait, and waits", async () => {
    const other = await startLockedServer();
    const page = await openPage(other.url);
    await dialog(page).waitFor();
    for (let n = 0; n < 10; n += 1)
      await other.get("/stats", { headers: { Authorization: `Bearer wrong${n}` } });
    await enter(page, "one-more");
    await dialog(page).getByText("Too many wrong tokens").waitFor();
    expect(await dialog(page).innerText()).toMatch(/looked at again in \d\d seconds/);
    expect(await dialog(page).getByRole("button", { name: "Log in" }).isDisabled()).toBe(true);
  });
});

describe.skipIf(CHROMIUM === null)("a dashboard that asks for none", () => {
  test("shows nothing of all this, and asks for nothing more", async () => {
    const server = await startTestServer();
    const page = await openPage(`${server.url}/?token=whatever#/server`);
    await page.getByText("this page", { exact: true }).waitFor();
    expect(page.url()).toBe(`${server.url}/#/server`);
    const requests = requestsOf(page);
    await page.reload();
    await page.getByText("this page", { exact: true }).waitFor();
    expect(requests.filter((one) => one.headers().authorization || one.url().includes("access"))).toEqual([]);
    await page.getByRole("button", { name: "Settings" }).click();
    expect(await page.getByText(/Logged in|Log out/).count()).toBe(0);
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(page.problems).toEqual([]);
  });
});
