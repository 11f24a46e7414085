import { expect, test } from "bun:test";
import { sessionRows } from "../../src/cli/session-rows.ts";
import { hook, seen, START, tell, type Told } from "../sessions/tell.ts";

const { agentStart, ask, notify, pre, prompt, stop } = tell;
const rows = (told: Told[], at: number) =>
  sessionRows([seen(told, at)], START + at * 1000).map((row) => row.map((cell) => cell.trim()));

const STORIES: [name: string, told: Told[], row: string[]][] = [
  ["at a call", [prompt(0, "go"), pre(1, "Bash", "a", { command: "ls -l" })], ["working", "Bash ls -l"]],
  ["thinking", [prompt(0, "mend the\nfailing test")], ["working", "mend the failing test"]],
  [
    "asking",
    [
      pre(0, "Bash", "a", { command: "rm x" }),
      ask(0, "Bash", { command: "rm x" }),
      notify(0, "permission_prompt"),
    ],
    ["waiting", "waits for you: Bash rm x"],
  ],
  [
    "asking for it knows not what",
    [notify(0, "permission_prompt", "")],
    ["waiting", "waits for you: permission"],
  ],
  [
    "with sub-agents",
    [prompt(0, "explore"), agentStart(0, "x"), agentStart(0, "y"), stop(0)],
    ["working", "explore (2 sub-agents)"],
  ],
  ["given up", [prompt(0, "go"), hook(0, "StopFailure", { error: "rate_limit" })], ["failed", "rate_limit"]],
];

for (const [name, told, [state = "", what = ""]] of STORIES) {
  test(`a session that is ${name}`, () => {
    const [row] = rows(told, 184);
    expect(row?.slice(0, 3)).toEqual(["5c1d0000", "app", state]);
    expect(row?.[4]).toBe(what);
  });
}

test("how long it has been so", () => {
  expect(rows([prompt(0, "go")], 184)[0]?.[3]).toBe("3 min 4 s");
});

test("a name without end takes no more than its room", () => {
  const [row] = rows([{ ...prompt(0, "x".repeat(500)), fields: { prompt: "x".repeat(500) } }], 1);
  expect(row?.[4]).toHaveLength(60);
});
