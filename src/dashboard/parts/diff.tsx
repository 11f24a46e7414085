/** A change to a file. */
import { useSignal } from "@preact/signals";
import type { DiffLine, FileDiff } from "./diffs-of.ts";
import { oneLine, visible } from "./text.ts";
import { count } from "./words.ts";

const LINES = 200;
const MAX_LINE_CHARS = 1000;

const SIGNS: Record<DiffLine["kind"], [sign: string, spoken: string]> = {
  added: ["+", "added: "],
  removed: ["−", "removed: "],
  same: [" ", ""],
  skipped: ["⋯", "lines left out"],
};

export function Diff({ path, lines }: FileDiff) {
  const shown = useSignal(LINES);
  const added = lines.filter(({ kind }) => kind === "added").length;
  const removed = lines.filter(({ kind }) => kind === "removed").length;
  const hasNumbers = lines.some(({ before, after }) => before !== null || after !== null);
  return (
    <figure class="diff">
      <figcaption>
        <code>{oneLine(path) || "change"}</code> <span class="diff-added">+{added}</span>{" "}
        <span class="diff-removed">−{removed}</span>
      </figcaption>
      <div class="diff-lines" tabIndex={0} role="group" aria-label={`Changes to ${oneLine(path)}`}>
        {lines.slice(0, shown.value).map(({ kind, before, after, text }, index) => (
          <div key={index} class={`diff-line diff-${kind}`}>
            {hasNumbers && <span class="diff-number">{after ?? before ?? ""}</span>}
            <span class="diff-sign" aria-hidden="true">
              {SIGNS[kind][0]}
            </span>
            <span class="hidden">{SIGNS[kind][1]}</span>
            <span class="diff-text">{visible(text.slice(0, MAX_LINE_CHARS))}</span>
          </div>
        ))}
        {lines.length > shown.value && (
          <button type="button" onClick={() => (shown.value += 10 * LINES)}>
            Show more of {count(lines.length - shown.value, "other line")}
          </button>
        )}
      </div>
    </figure>
  );
}
