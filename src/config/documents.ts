/** Texts made from the schema: JSON Schema, the commented starter file, the README's table. */
import { describeAllowed } from "./values.ts";
import { ENV_PREFIX, type Field, fieldOf, type Key, KEYS } from "./schema.ts";

/** JSON Schema (draft 2020-12) of the configuration file. */
export function jsonSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "claude-mpm-socketio configuration",
    type: "object",
    properties: Object.fromEntries(KEYS.map((key) => [key, propertySchema(fieldOf(key))])),
  };
}

/** Every key with its description and default, commented out; those that are given are set. */
export function starterFile(given: Partial<Record<Key, unknown>> = {}): string {
  const entries = KEYS.map((key) => {
    const field = fieldOf(key);
    const set = key in given;
    const pair = `${set ? "" : "// "}"${key}": ${JSON.stringify(set ? given[key] : field.default)},`;
    return `  // ${field.description}; ${describeAllowed(field)}.\n  ${pair}\n`;
  });
  return `// Configuration of claude-mpm-socketio. Remove the // in front of what you change.\n{\n${entries.join("\n")}}\n`;
}

/** The README's table of keys, in Markdown. */
export function markdownTable(): string {
  const rows = KEYS.map((key) => {
    const field = fieldOf(key);
    return `| \`${key}\` | ${defaultText(key)} | \`${ENV_PREFIX}${field.env}\` | ${field.description} |`;
  });
  return ["| key | default | variable | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** The default in words where it is computed, as JSON otherwise. */
export function defaultText(key: Key): string {
  const field = fieldOf(key);
  if (field.computed) return field.computed;
  return field.default === null ? "–" : String(field.default);
}

function propertySchema(field: Field): Record<string, unknown> {
  const common = { description: field.description, default: field.default };
  const orNull = (type: string) => (field.default === null ? [type, "null"] : type);
  switch (field.type) {
    case "integer":
    case "number":
      return { type: orNull(field.type), minimum: field.min, maximum: field.max, ...common };
    case "boolean":
      return { type: orNull("boolean"), ...common };
    case "list": {
      const pattern = field.pattern ? { pattern: field.pattern.expression } : {};
      return {
        anyOf: [{ type: "string" }, { type: "array", items: { type: "string", ...pattern } }],
        ...common,
      };
    }
    case "path":
      return { type: orNull("string"), ...common };
    case "string": {
      const choices = field.choices
        ? { enum: field.default === null ? [...field.choices, null] : field.choices }
        : {};
      const pattern = field.pattern ? { pattern: field.pattern.expression } : {};
      return { type: orNull("string"), ...choices, ...pattern, ...common };
    }
  }
}
