/** Makes the dashboard: one HTML text that holds its styles and scripts and asks for nothing else. */
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const PAGE_MODULE = join(ROOT, "src", "dashboard", "page.ts");

export async function buildDashboard(): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, "src", "dashboard", "index.html")],
    target: "browser",
    compile: true,
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return (outputs[0] as Bun.BuildArtifact).text();
}

/** Puts the page, as it is now, in the place of the module that makes it: what is shipped cannot build. */
export async function dashboardIncluded(): Promise<Bun.BunPlugin> {
  const page = await buildDashboard();
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
