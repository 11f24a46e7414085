/** What narrows the list; all of it stands in the address. */
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { agentOptions, Choice, projectOptions, sessionOptions } from "../../parts/choice.tsx";
import { oneLine } from "../../parts/text.ts";
import { type Filter, isEmpty, NO_FILTER } from "../../state/filter.ts";
import { setParams } from "../../state/route.ts";
import { useStore } from "../../state/store.ts";

/** A search goes to the server; it is not asked with every letter. */
const TYPING_MS = 250;

interface FilterBarProps {
  filter: Filter;
  isPaused: Signal<boolean>;
}

export function FilterBar({ filter, isPaused }: FilterBarProps) {
  const { facets } = useStore();
  const { types, tools } = facets.value;
  return (
    <form
      class="filters"
      role="search"
      aria-label="Filter events"
      onSubmit={(event) => event.preventDefault()}
    >
      <SearchField value={filter.q} />
      <Choice name="session" label="Session" value={filter.session} options={sessionOptions(facets.value)} />
      <Choice name="project" label="Project" value={filter.project} options={projectOptions(facets.value)} />
      <Choice name="type" label="Type" value={filter.type} options={typeOptions(types)} />
      <Choice name="agent" label="Agent" value={filter.agent} options={agentOptions(facets.value)} />
      <Choice
        name="tool"
        label="Tool"
        value={filter.tool}
        options={[...tools].map((one) => [one, oneLine(one)])}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={filter.failed}
          onChange={({ currentTarget }) => setParams({ failed: currentTarget.checked ? "1" : "" })}
        />
        failed only
      </label>
      {!isEmpty(filter) && (
        <button type="button" onClick={() => setParams(CLEARED)}>
          Clear
        </button>
      )}
      <button type="button" aria-pressed={isPaused.value} onClick={() => (isPaused.value = !isPaused.value)}>
        Pause
      </button>
    </form>
  );
}

const CLEARED = Object.fromEntries(Object.keys(NO_FILTER).map((name) => [name, ""]));

function SearchField({ value }: { value: string }) {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  // A link, or the back button, may change it from elsewhere.
  useEffect(() => {
    if (field.current && document.activeElement !== field.current) field.current.value = value;
  }, [value]);
  const apply = () => setParams({ q: field.current?.value ?? "" });
  return (
    <input
      ref={field}
      type="search"
      defaultValue={value}
      aria-label="Search events"
      placeholder="Text in events  ( / )"
      onInput={() => {
        if (timer.current !== null) clearTimeout(timer.current);
        timer.current = setTimeout(apply, TYPING_MS);
      }}
      onChange={apply}
    />
  );
}

/** The types there are, and `hook.*` for all that begin alike. */
function typeOptions(types: ReadonlySet<string>): [string, string][] {
  const prefixes = new Map<string, number>();
  for (const type of types) {
    const prefix = type.split(".", 1)[0] ?? "";
    if (prefix !== type) prefixes.set(prefix, (prefixes.get(prefix) ?? 0) + 1);
  }
  const groups = [...prefixes].filter(([, amount]) => amount > 1).map(([prefix]) => `${prefix}.*`);
  return [...groups.toSorted(), ...[...types].toSorted()].map((type) => [type, oneLine(type)]);
}
