import { afterAll, expect, spyOn, test } from "bun:test";
import { EventList } from "../../src/dashboard/state/event-list.ts";
import { NO_FILTER } from "../../src/dashboard/state/filter.ts";
import { rowOf } from "../../src/dashboard/state/row.ts";
import { followTools } from "../../src/dashboard/state/tool-figures.ts";
import { eventually } from "../support/eventually.ts";

/** As much of a page as it looks at. */
const page = { visibilityState: "visible", addEventListener() {}, removeEventListener() {} };
Object.assign(globalThis, { document: page });
afterAll(() => void Reflect.deleteProperty(globalThis, "document"));

test("what could not be counted once is counted the next time", async () => {
  const said = spyOn(globalThis, "reportError").mockImplementation(() => {});
  const list = new EventList(NO_FILTER, null);
  const event = { type: "hook.pre_tool_use", session_id: "s", data: { tool_name: "Bash", tool_use_id: "a" } };
  const poisoned = {
    ...rowOf({ ...event, seq: 1 }),
    get gap(): null {
      throw new Error("cannot be read");
    },
  };
  list.rows.push(poisoned);
  const figures = followTools(list, { project: "", session: "", agent: "", lastMs: null });
  try {
    await eventually(() => said.mock.calls.length > 0);
    expect(figures.report.value).toBeNull();
    list.rows = [];
    list.append([{ event, row: rowOf({ ...event, seq: 1 }) }]);
    await eventually(() => figures.report.value?.calls === 1);
  } finally {
    figures.stop();
    said.mockRestore();
  }
});
