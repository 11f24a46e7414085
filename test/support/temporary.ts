/** Temporary directories that are removed when the run ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onEnd } from "./cleanup.ts";

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "cms-test-"));
  onEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
