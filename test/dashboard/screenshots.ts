/**
 * `bun run screenshots`: pictures of every view, light and dark, 1440 and 360 pixels wide, of a made-up hour of work;
 * into dist/screenshots. Those that README shows go to docs/images.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "../support/browser.ts";
import { cleanUp } from "../support/cleanup.ts";
import { connect } from "../support/clients.ts";
import { startDashboardServer } from "../support/dashboard.ts";
import { sceneEvents } from "../support/scene.ts";

const ROOT = join(import.meta.dir, "../..");
const OUT = join(ROOT, "dist/screenshots");
const IMAGES = join(ROOT, "docs/images");
const SESSION = "#/session/713a9c5d-9c0f-42e1-9048-173777c6bd06";

/** Where each is taken, and what has to be there first. */
const VIEWS: Record<string, { hash: string; ready: string }> = {
  sessions: { hash: "", ready: ".card" },
  timeline: { hash: SESSION, ready: "text=Timeline" },
  replay: { hash: `${SESSION}?replay=1`, ready: "[role=slider], input[type=range]" },
  events: { hash: "#/events", ready: ".event-row" },
  event: { hash: "#/events?tool=Edit&seq=112", ready: ".json" },
  tools: { hash: "#/tools", ready: "table" },
  server: { hash: "#/server", ready: "table" },
};
const SIZES = [
  { width: 1440, height: 900 },
  { width: 360, height: 780 },
];
const IN_README = ["sessions-light-1440", "timeline-dark-1440"];

try {
  mkdirSync(OUT, { recursive: true });
  mkdirSync(IMAGES, { recursive: true });
  const server = await startDashboardServer();
  await server.post(sceneEvents(Date.now()));
  await connect(server.url, { claude_mpm_version: "0.6.2", client_id: "old-script" });
  await connect(server.url, { claude_mpm_version: "4.1.0", client_id: "claude-mpm" });
  for (const [name, { hash, ready }] of Object.entries(VIEWS)) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const viewport of SIZES) {
        const page = await openPage(`${server.url}/${hash}`, { viewport, colorScheme });
        await page.locator(ready).first().waitFor();
        await page.getByRole("button", { name: "Connection" }).getByText("Live", { exact: true }).waitFor();
        const file = `${name}-${colorScheme}-${viewport.width}`;
        await page.screenshot({ path: join(OUT, `${file}.png`) });
        if (IN_README.includes(file)) copyFileSync(join(OUT, `${file}.png`), join(IMAGES, `${file}.png`));
        await page.context().close();
      }
    }
  }
  process.stdout.write(`${OUT}\n`);
} finally {
  await cleanUp();
}
