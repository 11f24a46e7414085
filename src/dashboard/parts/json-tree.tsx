/** A JSON value to be looked through: as much of it is drawn as has been opened. */
import { useSignal } from "@preact/signals";
import { isRawJson } from "../../protocol/json.ts";
import { visible } from "./text.ts";
import { count } from "./words.ts";

/** So many levels are open from the start, unless they are large. */
const OPEN_LEVELS = 3;
const MAX_OPEN_ITEMS = 30;
const ITEMS = 100;
const CHARS = 2000;

export function JsonTree({ value }: { value: unknown }) {
  return (
    <div class="json">
      <Value value={value} level={0} />
    </div>
  );
}

interface ValueProps {
  name?: string | undefined;
  value: unknown;
  level: number;
}

function Value({ name, value, level }: ValueProps) {
  if (value !== null && typeof value === "object" && !isRawJson(value)) {
    return <Branch name={name} value={value} level={level} />;
  }
  return (
    <div class="json-leaf">
      <Name name={name} />
      {typeof value === "string" ? <Text text={value} /> : <Scalar value={value} />}
    </div>
  );
}

function Branch({ name, value, level }: ValueProps & { value: object }) {
  const entries = Object.entries(value);
  const isOpen = useSignal(level < OPEN_LEVELS && entries.length <= MAX_OPEN_ITEMS);
  const shown = useSignal(ITEMS);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div class="json-leaf">
        <Name name={name} />
        <span class="muted">{open + close}</span>
      </div>
    );
  }
  const amount = count(entries.length, Array.isArray(value) ? "item" : "field");
  return (
    <div class="json-branch">
      <button
        type="button"
        class="json-toggle"
        aria-expanded={isOpen.value}
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        <span aria-hidden="true">{isOpen.value ? "▾" : "▸"}</span> <Name name={name} />
        <span class="muted">
          {isOpen.value ? open : `${open}…${close}`} {amount}
        </span>
      </button>
      {isOpen.value && (
        <div class="json-items">
          {entries.slice(0, shown.value).map(([key, item]) => (
            <Value key={key} name={key} value={item} level={level + 1} />
          ))}
          {entries.length > shown.value && (
            <button type="button" onClick={() => (shown.value += ITEMS)}>
              Show more of {count(entries.length - shown.value, "other")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span class="json-name">{visible(name)}: </span>;
}

function Scalar({ value }: { value: unknown }) {
  return <span class="json-scalar">{JSON.stringify(value) ?? String(value)}</span>;
}

function Text({ text }: { text: string }) {
  const shown = useSignal(CHARS);
  const hidden = text.length - shown.value;
  return (
    <span class="json-text">
      {visible(text.slice(0, shown.value)) || <span class="muted">empty</span>}
      {hidden > 0 && (
        <button type="button" onClick={() => (shown.value += 10 * CHARS)}>
          Show more of {count(hidden, "other character")}
        </button>
      )}
    </span>
  );
}
