/** What the server says of itself, as a person sees it. */
import { describe, expect, test } from "bun:test";
import { io, type Socket } from "socket.io-client";
import { agentEvents, take } from "../support/agent-events.ts";
import { CHROMIUM, type OpenPage } from "../support/browser.ts";
import { onEnd } from "../support/cleanup.ts";
import { type DashboardServer, startDashboardServer } from "../support/dashboard.ts";
import { eventually } from "../support/eventually.ts";
import { startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";

const figure = (page: OpenPage, name: string) =>
  page
    .getByRole("region", { name: "Figures" })
    .getByRole("term")
    .filter({ hasText: name })
    .locator("xpath=following-sibling::dd");
const chart = (page: OpenPage, title: string) =>
  page.getByRole("img", { name: new RegExp(`^${title}, last`) });
const clients = (page: OpenPage) => page.getByRole("table", { name: "Connected clients" });
const clientNames = async (page: OpenPage) =>
  (await clients(page).getByRole("rowheader").allInnerTexts()).map((text) => text.split("\n")[0]?.trim());

async function open(server: DashboardServer): Promise<OpenPage> {
  const page = await server.open("#/server");
  await page.getByText("Healthy", { exact: true }).waitFor();
  return page;
}

async function connect(server: DashboardServer, auth: object): Promise<Socket> {
  const socket = io(server.url, { auth, forceNew: true, transports: ["websocket"] });
  onEnd(() => void socket.disconnect());
  await new Promise((resolve) => socket.once("connection_ack", resolve));
  return socket;
}

describe.skipIf(CHROMIUM === null)("the server in a browser", () => {
  test("health with each check in the server's words, and the figures it gives", async () => {
    const server = await startDashboardServer();
    await server.post(take(agentEvents(2), 30));
    const page = await open(server);
    const { checks, pid, server_id: serverId } = await server.get("/health");
    for (const { name, message } of checks) {
      const check = page
        .getByRole("list", { name: "Checks" })
        .getByRole("listitem")
        .filter({ has: page.getByText(name, { exact: true }) });
      // Some figures have changed meanwhile.
      const words = (text: string) => text.replace(/[\d.]+|\s+/g, " ");
      expect(words(await check.innerText())).toBe(words(`${name} healthy ${message}`));
    }
    expect(await figure(page, "Server id").innerText()).toContain(serverId);
    expect(await figure(page, "Uptime").innerText()).toContain(`PID ${pid}`);
    expect(await figure(page, "Events stored").innerText()).toMatch(/^30\s+30 came since the start$/);
    expect(await figure(page, "Log").innerText()).toMatch(/^[\d.]+ [KM]iB\s+events 1 to 30; search/);
    expect(await figure(page, "Memory").innerText()).toMatch(/^[\d.]+ MiB/);
    await server.post(take(agentEvents(2, "t"), 12));
    await figure(page, "Events stored").getByText("42", { exact: true }).waitFor();
    expect(page.problems).toEqual([]);
  });

  testWith(
    ["redis-server"],
    "of servers that share a Redis each is shown, and where each client is",
    async () => {
      const redis = await startRedis();
      const [one, two] = [
        await startDashboardServer([`redis_url=${redis.url}`, "server_id=one"]),
        await startDashboardServer([`redis_url=${redis.url}`, "server_id=two"]),
      ];
      await connect(two, { client_id: "far" });
      const page = await open(one);
      const servers = page.getByRole("table", { name: "Servers that share the log" });
      await servers.getByRole("row").filter({ hasText: one.url }).getByText("the one asked").waitFor();
      await servers.getByRole("row").filter({ hasText: two.url }).getByText("healthy").waitFor();
      await clients(page).getByRole("row").filter({ hasText: "far" }).getByText("two").waitFor();
      await page.getByRole("region", { name: "Figures" }).getByText("2 since the start").waitFor();
      // Who stops is no longer shown; who is killed is, for as long as the others wait for it.
      await two.kill();
      await servers.getByRole("row").filter({ hasText: two.url }).getByText("silent").waitFor();
      await page.getByText("; those of two are missing").waitFor();
      await servers.getByText(two.url).waitFor({ state: "detached" });
      expect(page.problems).toEqual([]);
    },
  );

  test("the description of the API is a click away", async () => {
    const server = await startDashboardServer();
    const page = await open(server);
    await page.getByRole("link", { name: "The API" }).click();
    await page.getByRole("heading", { name: "GET /api/events", exact: true }).waitFor();
    expect(page.problems).toEqual([]);
  });

  test("what the server finds wrong is said with its words", async () => {
    const server = await startDashboardServer();
    const page = await open(server);
    await page.route("**/health", async (asked) => {
      const health: any = await (await asked.fetch()).json();
      const [first, ...others] = health.checks;
      const message = "the disk is full\u202E; free some";
      const checks = [{ ...first, status: "unhealthy", message }, ...others];
      await asked.fulfill({ status: 503, json: { ...health, status: "unhealthy", checks } });
    });
    await page.getByText("Unhealthy", { exact: true }).waitFor();
    await page.getByRole("listitem").getByText("the disk is full⟨U+202E⟩; free some").waitFor();
  });

  test("charts say in words what they show; events have a past at once", async () => {
    const server = await startDashboardServer();
    await server.post(take(agentEvents(2), 100));
    const page = await open(server);
    await page
      .getByRole("img", { name: /^Events per second, last 10 minutes\. now .*, highest [1-9]/ })
      .waitFor();
    for (const title of ["Round trip", "Memory", "Log size"]) {
      await page
        .getByRole("img", { name: new RegExp(`^${title}, last .* now .*, lowest .*, highest`) })
        .waitFor();
    }
    const events = agentEvents(2, "live");
    await eventually(async () => {
      await server.post(take(events, 2));
      const name = await chart(page, "Delivery delay").getAttribute("aria-label");
      return /median: now [\d.]+ m?s.*p95: now [\d.]+ m?s/.test(name ?? "");
    });
  });

  test("charts follow the colours that are chosen, and the size of the window", async () => {
    const server = await startDashboardServer();
    const page = await open(server);
    const canvas = chart(page, "Memory").locator("canvas");
    const drawn = () => canvas.evaluate((element) => (element as HTMLCanvasElement).toDataURL());
    await canvas.waitFor();
    const light = await drawn();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("radio", { name: "dark" }).click();
    await eventually(async () => (await drawn()) !== light);
    await page.setViewportSize({ width: 360, height: 780 });
    await eventually(() => canvas.evaluate((element) => element.clientWidth < 330));
    const overflow = await page.evaluate(() => {
      const main = document.querySelector("main");
      return [document.documentElement.scrollWidth - innerWidth, main && main.scrollWidth - main.clientWidth];
    });
    expect(overflow).toEqual([0, 0]);
    expect(page.problems).toEqual([]);
  });

  test("clients: one that is not compatible stands out, first in any order, with its warning", async () => {
    const server = await startDashboardServer();
    await connect(server, { claude_mpm_version: "0.7.3", client_id: "agent-a" });
    const page = await open(server);
    await eventually(async () => (await clientNames(page)).length === 2);
    const narrowed = await connect(server, { claude_mpm_version: "0.8.0", client_id: "<b>agent-b</b>" });
    await narrowed.emitWithAck("subscribe", { session_id: "s1", types: ["hook.*", "session.end"] });
    const old = await connect(server, { claude_mpm_version: "0.1.0", client_id: "old-agent" });
    const hint = page.getByRole("button", { name: "1 client is not compatible" });
    await hint.waitFor();
    expect(await page.getByText("All checks pass").isVisible()).toBe(true);
    await hint.click();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Clients");
    await eventually(() =>
      clients(page).evaluate((table) => table.getBoundingClientRect().top < innerHeight),
    );
    for (const column of ["Client", "Client", "Version", "Lag"]) {
      await clients(page).getByRole("button", { name: column }).click();
      expect((await clientNames(page))[0]).toBe("old-agent");
    }
    const rowOf = (name: string) => clients(page).getByRole("row").filter({ hasText: name });
    const [warning] = (await server.get("/api/clients")).clients.find(
      ({ client_id: id }: { client_id: string }) => id === "old-agent",
    ).warnings;
    expect(await rowOf("old-agent").innerText()).toContain("not compatible");
    expect(await rowOf("old-agent").innerText()).toContain(warning);
    expect(await rowOf("<b>agent-b</b>").innerText()).toContain("session s1; hook.*, session.end");
    expect(await rowOf("agent-a").innerText()).toMatch(/0\.7\.3\s+WebSocket\s+everything\s+live/);
    expect(await rowOf("dashboard").innerText()).toMatch(/this page[^]*the server's own page/);
    old.disconnect();
    await eventually(async () => (await clientNames(page)).length === 3);
    expect(await page.getByText("not compatible").count()).toBe(0);
  });

  test("which client this page is, is said only where that is sure", async () => {
    const server = await startDashboardServer();
    const page = await open(server);
    await page.getByText("this page", { exact: true }).waitFor();
    const other = await connect(server, { client_id: "dashboard" });
    await eventually(async () => (await page.getByText("a dashboard", { exact: true }).count()) === 2);
    expect(await page.getByText("this page", { exact: true }).count()).toBe(0);
    other.disconnect();
    await page.getByText("this page", { exact: true }).waitFor();
  });

  test("the first figures know of this page, and all charts show the same ten minutes", async () => {
    const server = await startDashboardServer();
    const page = await server.open();
    await page.addInitScript(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { seenClients: seen });
      new MutationObserver(() => {
        const term = [...document.querySelectorAll("dt")].find(({ textContent: name }) => name === "Clients");
        const value = term?.nextElementSibling?.firstElementChild?.textContent;
        if (value && seen.at(-1) !== value) seen.push(value);
      }).observe(document, { childList: true, subtree: true, characterData: true });
    });
    await page.goto(`${server.url}/#/server`);
    await page.reload();
    await page.getByText("this page", { exact: true }).waitFor();
    const seen = await page.evaluate(() => (globalThis as unknown as { seenClients: string[] }).seenClients);
    expect(seen).not.toContain("0");
    expect(await figure(page, "Lagging clients").innerText()).toMatch(
      /catch-ups? from the log since the start/,
    );
    expect(await page.getByRole("img", { name: /, last 10 minutes/ }).count()).toBe(5);
  });

  test("an answer that cannot be shown is not told as none", async () => {
    const server = await startDashboardServer();
    const page = await open(server);
    await page.route("**/stats", (asked) => asked.fulfill({ json: { uptime: 1 } }));
    await page.getByText("What the server answers cannot be shown.").waitFor();
    expect(await page.getByText(/nothing answers at/).count()).toBe(0);
    await page.unroute("**/stats");
    await page.route("**/health", (asked) => asked.abort());
    await page.getByText(`nothing answers at localhost:${server.port}`).waitFor();
  });

  test("without an answer the last figures stay, with their time, and it goes on by itself", async () => {
    const server = await startDashboardServer();
    await server.post(take(agentEvents(2), 7));
    const page = await open(server);
    await server.kill();
    const alert = page.getByRole("alert");
    await alert.getByText("The server does not answer.").waitFor();
    expect(await alert.innerText()).toMatch(/What is shown is as of \d\d:\d\d:\d\d/);
    await page.getByText("Was healthy").waitFor();
    await page.getByText("claude-mpm-socketio status").waitFor();
    expect(await figure(page, "Events stored").innerText()).toMatch(/^7\s/);
    await server.start();
    await page.getByText("Healthy", { exact: true }).waitFor();
    expect(await alert.count()).toBe(0);
    expect(await figure(page, "Events stored").innerText()).toMatch(/^7\s+0 came since the start/);
  });

  test("the server is asked only while somebody looks at the view", async () => {
    const server = await startDashboardServer();
    const page = await server.open("#/server");
    let asked = 0;
    page.on("request", (request) => void (asked += Number(request.url().endsWith("/stats"))));
    await eventually(() => asked >= 2);
    await page.getByRole("link", { name: "Tools and files" }).click();
    await page.getByRole("heading", { name: "Tools and files" }).waitFor();
    const before = asked;
    await server.post(take(agentEvents(1), 2));
    await page.getByRole("link", { name: "Sessions" }).first().click();
    // By the page's own clock: longer than between two questions.
    await page
      .getByRole("article")
      .getByText(/^[3-9] s$/)
      .first()
      .waitFor();
    expect(asked).toBe(before);
    await page.getByRole("link", { name: "Server" }).click();
    await eventually(() => asked > before);
  });
});
