/** Makes the dashboard: one HTML text that holds its styles and scripts and asks for nothing else. */
import { join } from "node:path";
import { buildNoting } from "./contents.ts";

const ROOT = join(import.meta.dir, "..");
const PAGE_MODULE = join(ROOT, "src", "dashboard", "page.ts");

/** @param packages gets the folders of the packages that the page holds */
export async function buildDashboard(packages = new Set<string>()): Promise<string> {
  const { outputs } = await buildNoting(packages, {
    entrypoints: [join(ROOT, "src", "dashboard", "index.html")],
    target: "browser",
    compile: true,
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return (outputs[0] as Bun.BuildArtifact).text();
}

/** Puts the page, as it is now, in the place of the module that makes it: what is shipped cannot build. */
export async function dashboardIncluded(packages = new Set<string>()): Promise<Bun.BunPlugin> {
  const page = await buildDashboard(packages);
  return {
    name: "dashboard-included",
    setup(build) {
      build.onLoad({ filter: /page\.ts$/ }, ({ path }) => {
        if (path !== PAGE_MODULE) return undefined;
        return {
          contents: `export const dashboardPage = async () => ${JSON.stringify(page)};`,
          loader: "js",
        };
      });
    },
  };
}
