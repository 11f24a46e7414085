/** Programs of the system that some tests need. */
import { test } from "bun:test";

/** A test that needs programs; where one is missing it is skipped, and its name says so. */
export function testWith(
  programs: readonly string[],
  name: string,
  run: () => void | Promise<void>,
  limitMs?: number,
): void {
  const missing = programs.filter((program) => Bun.which(program) === null);
  test.skipIf(missing.length > 0)(
    missing.length > 0 ? `${name} (not run: ${missing.join(", ")} missing)` : name,
    run,
    limitMs,
  );
}
