/** Real Chromium, one for as many test files as run in one process, and pages in it that remember what went wrong on them. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { onEnd } from "./cleanup.ts";

/** Null where there is none: tests that need it are skipped by name. */
export const CHROMIUM = Bun.which("chromium") ?? Bun.which("google-chrome");

/**
 * With every window Chromium 156 opens pages of its own for the popup of its address bar: 400 requests, while the page
 * under test is loaded. Of this flag only the last one counts, so what Playwright turns off is said again.
 */
const WITHOUT_FEATURES = [
  // Chromium's own guard of this machine, which other browsers do not have.
  "LocalNetworkAccessChecks",
  "WebUIOmniboxPopup",
  "WebUIOmniboxAimPopup",
  "AimEnabled",
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsFirstBalancedModeAutoEnable",
  "HttpsUpgrades",
  "LensOverlay",
  "MediaRouter",
  "NetworkTimeServiceQuerying",
  "OptimizationHints",
  "PaintHolding",
  "PreconnectToSearch",
  "ThirdPartyStoragePartitioning",
];

/** As root it has no sandbox, in a container no GPU; nothing of it leaves the machine. `*.example` are other origins on it. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP *.example 127.0.0.1",
  `--disable-features=${WITHOUT_FEATURES.join(",")}`,
];

let launched: Promise<Browser> | null = null;

export function browser(): Promise<Browser> {
  return (launched ??= launch());
}

async function launch(): Promise<Browser> {
  if (CHROMIUM === null) throw new Error("there is no Chromium");
  const started = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  onEnd(() => {
    launched = null;
    return started.close();
  });
  return started;
}

export interface OpenPage extends Page {
  /** Exceptions, errors on the console, violations of the policy, and requests to anywhere but the server. */
  problems: string[];
}

/** Opens an address in a context of its own: nothing is remembered from one page to the next. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await (
    await browser()
  ).newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  onEnd(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems: string[] = [];
  page.on("pageerror", (error) => void problems.push(String(error)));
  page.on("console", (message) => {
    // Chromium itself says so when the server is away.
    if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED")) {
      problems.push(message.text());
    }
  });
  const { origin } = new URL(url);
  page.on("request", (request) => {
    const asked = request.url();
    const isOwn = asked.startsWith(origin) || asked.startsWith(origin.replace(/^http/, "ws"));
    if (!isOwn && !/^(data|blob):/.test(asked)) problems.push(`a request to ${asked}`);
  });
  await page.goto(url);
  return Object.assign(page, { problems });
}
