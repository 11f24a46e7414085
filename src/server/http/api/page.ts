/** The description of the API as a page: all of it in one answer, without a script, so that it works offline. */
import { ERRORS } from "../../../protocol/errors.ts";
import type { MediaType, OpenApi, Operation, ParameterObject, ResponseObject } from "./openapi.ts";
import type { Schema } from "./schemas.ts";
// As text it has no types.
// @ts-expect-error
import style from "./page.css" with { type: "text" };

export function docsPage({ info, tags, paths, components }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      ...operation,
    })),
  );
  const groups = tags.map(({ name }) => ({
    name,
    operations: operations.filter((one) => one.tags.includes(name)),
  }));
  const links = groups.map(
    (group) =>
      `<li>${text(group.name)}<ul>${group.operations
        .map((one) => `<li><a href="#${text(one.operationId)}">${title(one)}</a> ${inline(one.summary)}</li>`)
        .join("")}</ul></li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${text(info.title)}: the API</title>
<style>${style}</style>
</head>
<body>
<header><h1>${text(info.title)} <small>${text(info.version)}</small></h1>
${paragraphs(info.description)}
<p>For programs: <a href="openapi.json">openapi.json</a>. What is shown there: <a href="./">the dashboard</a>.</p></header>
<nav aria-label="Routes"><ul>${links.join("\n")}<li><a href="#schemas">Schemas</a></li><li><a href="#errors">Errors</a></li></ul></nav>
<main>
${groups.map((group) => `<section><h2>${text(group.name)}</h2>${group.operations.map(route).join("\n")}</section>`).join("\n")}
<section id="schemas"><h2>Schemas</h2>
${Object.entries(components.schemas)
  .map(
    ([name, schema]) =>
      `<article id="schema-${text(name)}"><h3>${text(name)}</h3>${described(schema)}</article>`,
  )
  .join("\n")}</section>
<section id="errors"><h2>Errors</h2>${errors()}</section>
</main>
</body>
</html>
`;
}

type Described = Operation & { path: string; method: string };

function route(operation: Described): string {
  const { operationId, summary, description = "", parameters = [], requestBody, responses } = operation;
  return `<article id="${text(operationId)}">
<h3>${title(operation)}</h3>
<p><strong>${inline(summary)}.</strong> ${access(operation)}</p>
${paragraphs(description)}
${parameters.length === 0 ? "" : table(["Parameter", "In", "Type", ""], parameters.map(parameter))}
${requestBody ? `<h4>Body</h4>${paragraphs(requestBody.description)}${media(requestBody.content)}` : ""}
<h4>Answers</h4>
${Object.entries(responses).map(response).join("\n")}
</article>`;
}

function title({ method, path }: Pick<Described, "method" | "path">): string {
  return `<code><b>${text(method)}</b> ${text(path)}</code>`;
}

function access({ security }: Operation): string {
  const scopes = [...new Set(security.flatMap((one) => Object.values(one).flat()))];
  if (scopes.length === 0) {
    const isOpen = security.some((one) => Object.keys(one).length === 0);
    return isOpen ? "Open to everyone." : "Where tokens are asked for: one of any scope.";
  }
  const isInQuery = security.some((one) => Object.keys(one).some((name) => name.includes("query")));
  const place = isInQuery ? ", also as <code>?token=</code>" : "";
  return `Where tokens are asked for: scope <code>${text(scopes.join(", "))}</code>${place}.`;
}

function parameter({ name, in: place, schema, description, required, example }: ParameterObject): string[] {
  const shown = example === undefined ? "" : `, such as <code>${text(String(example))}</code>`;
  return [
    `<code>${text(name)}</code>${required ? "" : " <small>optional</small>"}`,
    text(place),
    type(schema),
    `${inline(description)}${shown}`,
  ];
}

/** What is refused stands in small: there is much of it, and it is alike everywhere. */
function response([status, { description, content = {} }]: [string, ResponseObject]): string {
  const isError = Number(status) >= 400;
  const body = isError ? "" : media(content);
  return `<div class="answer${isError ? " refusal" : ""}"><p><b>${text(status)}</b> ${inline(description)}</p>${body}</div>`;
}

function media(content: Record<string, MediaType>): string {
  return Object.entries(content)
    .map(([name, { schema, example }]) => {
      const shown = typeof example === "string" ? example : JSON.stringify(example, null, 2);
      const block = example === undefined ? "" : `<pre tabindex="0"><code>${text(shown)}</code></pre>`;
      return `<p><code>${text(name)}</code>: ${type(schema)}</p>${block}`;
    })
    .join("");
}

/** A schema that has a name, with its fields. */
function described(schema: Schema): string {
  const { description, properties, required = [] } = schema;
  const about = typeof description === "string" ? paragraphs(description) : "";
  if (properties === undefined) return `${about}<p>${type(schema)}</p>`;
  return `${about}${table(["Field", "Type", ""], rows(properties as Fields, required as string[], ""))}`;
}

type Fields = Record<string, Schema>;

function rows(fields: Fields, required: readonly string[], before: string): string[][] {
  return Object.entries(fields).flatMap(([name, schema]) => {
    const {
      description = "",
      properties,
      items,
    } = schema as { description?: string; properties?: Fields; items?: Schema };
    const inner = properties ? schema : items?.properties ? items : null;
    const full = `${before}${name}${inner === items && inner !== null ? "[]" : ""}`;
    return [
      [
        `<code>${text(full)}</code>${required.includes(name) ? "" : " <small>optional</small>"}`,
        type(schema),
        inline(description),
      ],
      ...(inner ? rows(inner.properties as Fields, (inner.required ?? []) as string[], `${full}.`) : []),
    ];
  });
}

/** The keywords that are shown. */
interface Shown {
  $ref?: string;
  anyOf?: Schema[];
  allOf?: Schema[];
  const?: unknown;
  enum?: readonly string[];
  items?: Schema;
  additionalProperties?: Schema;
  type?: string | string[];
  format?: string;
}

/** More values than that are shown elsewhere. */
const MAX_VALUES = 10;

/** A schema in a few words, as markup. */
function type(schema: Schema): string {
  const shown: Shown = schema;
  const { $ref, anyOf, allOf, enum: values, items, additionalProperties } = shown;
  if ($ref !== undefined) {
    const name = text($ref.split("/").at(-1) ?? "");
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (anyOf) return anyOf.map(type).join(" or ");
  if (allOf) return allOf.map(type).join(" with ");
  if ("const" in shown) return `<code>${text(JSON.stringify(shown.const))}</code>`;
  if (values && values.length > MAX_VALUES) return 'one of the <a href="#errors">codes</a>';
  if (values) return values.map((value) => `<code>${text(value)}</code>`).join(", ");
  if (items) return `list of ${type(items)}${range(schema)}`;
  if (additionalProperties) return `object of ${type(additionalProperties)}`;
  const names = [shown.type ?? "anything"].flat().join(" or ");
  const said = shown.format === "date-time" ? names.replace("string", "time (ISO 8601)") : names;
  return `${text(said)}${range(schema)}`;
}

function range({ minimum, maximum, maxLength, maxItems, default: usual }: Schema): string {
  const isOpen = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER;
  const parts = [
    minimum !== undefined && !isOpen && `${minimum} to ${maximum}`,
    minimum !== undefined && isOpen && minimum !== 0 && `at least ${minimum}`,
    maxLength !== undefined && `at most ${maxLength} characters`,
    maxItems !== undefined && `at most ${maxItems}`,
    usual !== undefined && `default ${usual}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? "" : ` <small>${text(parts.join(", "))}</small>`;
}

function errors(): string {
  const lines = Object.entries(ERRORS).map(([code, [status, message, hint]]) => {
    return [`<code>${text(code)}</code>`, `${status}`, inline(message), inline(hint)];
  });
  return table(["Code", "Status", "What failed", "What to do next"], lines);
}

/** @param lines cells of markup */
function table(head: readonly string[], lines: readonly string[][]): string {
  const cells = (tag: string, line: readonly string[]) =>
    `<tr>${line.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<div class="wide" tabindex="0"><table><thead>${cells("th", head.map(text))}</thead><tbody>${lines.map((line) => cells("td", line)).join("")}</tbody></table></div>`;
}

function paragraphs(markdown: string): string {
  return markdown
    .split("\n\n")
    .filter((part) => part !== "")
    .map((part) => `<p>${inline(part)}</p>`)
    .join("");
}

/** Text in which words between backticks are code. */
function inline(markdown: string): string {
  return markdown
    .split("`")
    .map((part, index) => (index % 2 === 1 ? `<code>${text(part)}</code>` : text(part)))
    .join("");
}

function text(plain: string): string {
  return Bun.escapeHTML(plain);
}
