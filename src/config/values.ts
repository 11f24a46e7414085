/** Checks one value against its field, whatever source it came from. */
import { type Field, fieldOf, type Key } from "./schema.ts";

/** `raw` holds text from a variable or flag, or any JSON value from the file. */
export type Checked = { ok: true; value: unknown } | { ok: false; why: string };

export function checkValue(key: Key, raw: unknown): Checked {
  return readValue(fieldOf(key), raw);
}

/** In words: "a whole number from 0 to 65535". */
export function describeAllowed(field: Field): string {
  switch (field.type) {
    case "integer":
    case "number": {
      const kind = field.type === "integer" ? "a whole number" : "a number";
      const unit = field.unit ? ` of ${field.unit}` : "";
      return `${kind}${unit} from ${field.min} to ${field.max}`;
    }
    case "boolean":
      return "true or false";
    case "list":
      return field.pattern?.means ?? "a string or a list of strings";
    case "path":
      return "a path";
    case "string":
      if (field.choices) return `one of ${field.choices.join(", ")}`;
      return field.pattern ? field.pattern.means : "a string that is not empty";
  }
}

export function readValue(field: Field, raw: unknown): Checked {
  const wrong: Checked = { ok: false, why: `allowed is ${describeAllowed(field)}` };
  if (raw === null) return field.default === null ? { ok: true, value: null } : wrong;
  switch (field.type) {
    case "integer":
    case "number": {
      const value =
        typeof raw === "string" && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(raw.trim())
          ? Number(raw)
          : raw;
      const fits = typeof value === "number" && value >= field.min && value <= field.max;
      if (!fits || (field.type === "integer" && !Number.isInteger(value))) return wrong;
      return { ok: true, value };
    }
    case "boolean": {
      if (typeof raw === "boolean") return { ok: true, value: raw };
      const word = typeof raw === "string" ? raw.trim().toLowerCase() : "";
      if (["true", "1", "yes", "on"].includes(word)) return { ok: true, value: true };
      return ["false", "0", "no", "off"].includes(word) ? { ok: true, value: false } : wrong;
    }
    case "list": {
      const list: unknown = typeof raw === "string" ? splitList(raw) : raw;
      const form = new RegExp(field.pattern?.expression ?? "");
      return Array.isArray(list) && list.every((item) => typeof item === "string" && form.test(item))
        ? { ok: true, value: list }
        : wrong;
    }
    case "path":
    case "string": {
      if (typeof raw !== "string" || raw.trim() === "") return wrong;
      if (!field.choices) {
        if (!field.pattern || new RegExp(field.pattern.expression).test(raw)) return { ok: true, value: raw };
        // As in the file, where the word can mean nothing else.
        return raw === "null" && field.default === null ? { ok: true, value: null } : wrong;
      }
      const choice = field.choices.find((known) => known.toLowerCase() === raw.trim().toLowerCase());
      return choice === undefined ? wrong : { ok: true, value: choice };
    }
  }
}

function splitList(text: string): string[] {
  return listOf(text) ?? splitAtCommas(text);
}

/** Of a list in JSON; some items hold commas. Null for anything else. */
function listOf(text: string): string[] | null {
  if (!text.trimStart().startsWith("[")) return null;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : null;
  } catch {
    return null;
  }
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
