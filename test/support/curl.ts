/** The real `curl`, run as a child process. */
import { afterAll, test } from "bun:test";

const CURL = Bun.which("curl");

export interface CurlResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface CurlResponse {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON. */
  body: any;
}

/** A test that needs curl; where it is missing the test is skipped, and its name says so. */
export function curlTest(name: string, run: () => void | Promise<void>): void {
  test.skipIf(CURL === null)(CURL === null ? `${name} (not run: curl missing)` : name, run);
}

export async function curl(args: readonly string[], stdin?: string): Promise<CurlResult> {
  // No configuration file and no proxy of whoever runs the tests.
  const child = Bun.spawn([CURL as string, "-q", "-sS", "--noproxy", "*", ...args], {
    env: { PATH: "/usr/bin:/bin" },
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  // For a test that gives up while curl still waits.
  afterAll(() => child.kill("SIGKILL"));
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** One request with `curl -i`, its answer taken apart. */
export async function curlResponse(args: readonly string[], stdin?: string): Promise<CurlResponse> {
  const { exitCode, stdout, stderr } = await curl(["-i", ...args], stdin);
  if (exitCode !== 0) throw new Error(`curl ended with ${exitCode}: ${stderr}`);
  return parseResponse(stdout);
}

function parseResponse(text: string): CurlResponse {
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  const rest = text.slice(end + 4);
  // The answer to `Expect: 100-continue` comes before the real one.
  if (status === 100) return parseResponse(rest);
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const json = rest !== "" && (headers.get("content-type")?.includes("json") ?? false);
  return { status, headers, body: json ? JSON.parse(rest) : rest };
}
