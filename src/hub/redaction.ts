/** Masks secrets in what comes in, as the configuration has it at the moment, and counts them. */
import { createRedact, type Redact } from "../protocol/redact.ts";
import { readPatterns } from "../protocol/secret-patterns.ts";

export interface RedactionSettings {
  redact: boolean;
  redact_patterns: readonly string[];
}

export interface Redaction {
  /** Null while events pass as they are. */
  current(): Redact | null;
  /** Takes up other settings; the counts go on. */
  use(settings: RedactionSettings): void;
  /** Secrets masked since the start, by kind. */
  counts(): Record<string, number>;
}

export function createRedaction(settings: RedactionSettings): Redaction {
  const counts = new Map<string, number>();
  const onMask = (kind: string) => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const make = ({ redact, redact_patterns }: RedactionSettings) =>
    redact ? createRedact({ patterns: readPatterns(redact_patterns), onMask }) : null;
  let current = make(settings);
  return {
    current: () => current,
    use(next) {
      current = make(next);
    },
    counts: () => Object.fromEntries(counts),
  };
}
