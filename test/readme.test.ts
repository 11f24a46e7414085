/** README shows only what works today: its table is made from the schema, its commands are run. */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { scripts } from "../package.json";
import { markdownTable } from "../src/config/documents.ts";
import { account, binary, type Finished, type RunOptions } from "./support/binary.ts";
import { freePort } from "./support/ports.ts";

const path = join(import.meta.dir, "..", "README.md");
const readme = readFileSync(path, "utf8");
const [START, END] = ["<!-- config table: made by test/readme.test.ts -->", "<!-- /config table -->"];

test("the table of configuration keys is the schema's (UPDATE=1 writes it)", () => {
  const [before = "", rest = ""] = readme.split(START);
  const [, after = ""] = rest.split(END);
  const wanted = `${before}${START}\n\n${markdownTable()}\n\n${END}${after}`;
  if (process.env.UPDATE === "1") writeFileSync(path, wanted);
  else expect(readme).toBe(wanted);
});

describe("commands", () => {
  const user = account();
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    (block ?? "").trim().split("\n"),
  );

  test("npm scripts that are named exist", () => {
    const named = [...readme.matchAll(/npm (?:run )?(start|stop|test|[\w:]+)/g)].map(
      ([, name]) => name as string,
    );
    expect(
      named.filter((name) => name !== "ci" && !(name in scripts) && !["and", "on", "pack"].includes(name)),
    ).toEqual([]);
  });

  test("every command of the binary that is shown works, in the order shown", async () => {
    // Nobody at this machine shall see a browser.
    const env = { CLAUDE_MPM_SOCKETIO_PORT: `${await freePort()}`, BROWSER: "true" };
    const lines = blocks.filter((line) => line.startsWith("claude-mpm-socketio "));
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) {
      const command = line.replace(/ #.*| -f\b/g, "").trim();
      const args = command.split(/\s+/).slice(1);
      // By then the server that was shown before is stopped.
      if (args[0] === "emit" || args[0] === "open") await user.run(["start"], { env });
      const { exitCode, stderr } = await (args[0] === "tail" ? follow(args, { env }) : shell(command, env));
      // The binary of a test run lies in a temporary folder, and its port is in a variable: installing warns of both.
      const complaints = stderr.split("\n").filter((text) => text !== "" && !text.startsWith("Warning: "));
      expect([line, exitCode, complaints]).toEqual([line, 0, []]);
    }
  });

  /** As a user's shell would run it, with the binary on its path. */
  async function shell(
    command: string,
    env: Record<string, string>,
  ): Promise<Pick<Finished, "exitCode" | "stderr">> {
    const searched = `${dirname(await binary())}:${user.env.PATH}`;
    const child = Bun.spawn(["sh", "-c", command], {
      cwd: user.home,
      env: { ...user.env, ...env, PATH: searched },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stderr] = await Promise.all([
      new Response(child.stderr).text(),
      new Response(child.stdout).text(),
    ]);
    return { exitCode: await child.exited, stderr };
  }

  /** Until it has shown something. */
  async function follow(args: string[], options: RunOptions): Promise<Pick<Finished, "exitCode" | "stderr">> {
    const child = await user.spawn(args, options);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGINT");
    return { exitCode: await child.exited, stderr: await new Response(child.stderr).text() };
  }

  test.skipIf(Bun.which("curl") === null)("every curl command that is shown works", async () => {
    const port = `${await freePort()}`;
    await user.run(["start", "--port", port]);
    const lines = blocks.filter((line) => line.startsWith("curl ") && !line.includes("/stream"));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      const child = Bun.spawn(["sh", "-c", line.replaceAll("8765", port)], {
        stdout: "pipe",
        stderr: "ignore",
      });
      const answer = JSON.parse(await new Response(child.stdout).text());
      expect(answer.error).toBeUndefined();
      expect(answer.accepted ?? answer.returned).toBe(1);
    }
  });
});
