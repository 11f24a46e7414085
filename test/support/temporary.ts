/** Temporary directories that are removed when the test file ends. */
import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "cms-test-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
