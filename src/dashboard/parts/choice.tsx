/** A choice among names that occur in events; it stands in the address. */
import { lastSegment, shortSession } from "../../sessions/names.ts";
import type { Facets } from "../state/facets.ts";
import { MAIN_AGENT } from "../state/filter.ts";
import { setParams } from "../state/route.ts";
import { oneLine } from "./text.ts";

export type Option = readonly [value: string, text: string];

interface ChoiceProps {
  /** What the address calls it. */
  name: string;
  label: string;
  value: string;
  options: readonly Option[];
}

export function Choice({ name, label, value, options }: ChoiceProps) {
  const isKnown = value === "" || options.some(([one]) => one === value);
  return (
    <select
      aria-label={label}
      class={value === "" ? "" : "chosen"}
      value={value}
      onChange={({ currentTarget }) => setParams({ [name]: currentTarget.value })}
    >
      <option value="">{label}: all</option>
      {!isKnown && <option value={value}>{oneLine(value)}</option>}
      {options.map(([one, text]) => (
        <option key={one} value={one}>
          {text}
        </option>
      ))}
    </select>
  );
}

export function sessionOptions({ sessions }: Facets): Option[] {
  return [...sessions].map(([id, project]) => [
    id,
    `${oneLine(shortSession(id))} · ${project === null ? "no project" : oneLine(lastSegment(project))}`,
  ]);
}

export function projectOptions({ projects }: Facets): Option[] {
  return [...projects].map((path) => [path, oneLine(lastSegment(path))]);
}

export function agentOptions({ agents }: Facets): Option[] {
  return [[MAIN_AGENT, MAIN_AGENT], ...[...agents].map((one): Option => [one, oneLine(one)])];
}
