/** A working day's hour of six sessions, in the shapes of Claude Code's hooks: what the dashboard's pictures and tests show. */
import type { JsonObject } from "../../src/protocol/event.ts";
import { hookEvent } from "../../src/protocol/hook-event.ts";
import { hook, tell, type Told } from "../sessions/tell.ts";

export interface SceneSession {
  id: string;
  cwd: string;
  /** Their times in seconds before the present, so negative ones. */
  hooks: Told[];
}

/** Events as `hook` sends them, in the order of their times. */
export function sceneEvents(now: number): JsonObject[] {
  return SCENE.flatMap(({ id, cwd, hooks }) =>
    hooks.map(({ at, name, fields }) => {
      const payload = { session_id: id, cwd, hook_event_name: name, permission_mode: "default", ...fields };
      return { at, event: hookEvent(payload, now + at * 1000) };
    }),
  )
    .toSorted((a, b) => a.at - b.at)
    .map(({ event }) => event);
}

const agent = (id: string, type: string): JsonObject => ({ agent_id: id, agent_type: type });

let ids = 0;

/** A call that begins at a time, takes so many seconds and succeeds. */
function call(at: number, seconds: number, tool: string, input: JsonObject, more: JsonObject = {}): Told[] {
  const { by, response, ...rest } = more as { by?: JsonObject; response?: JsonObject };
  const id = `toolu_scene${(ids += 1)}`;
  const fields = {
    tool_input: input,
    tool_response: response ?? {},
    duration_ms: Math.round(seconds * 1000),
  };
  return [tell.pre(at, tool, id, input, by), tell.post(at + seconds, tool, id, { ...fields, ...rest }, by)];
}

function failedCall(
  at: number,
  seconds: number,
  tool: string,
  input: JsonObject,
  error: string,
  by?: JsonObject,
): Told[] {
  const id = `toolu_scene${(ids += 1)}`;
  return [
    tell.pre(at, tool, id, input, by),
    tell.fail(at + seconds, tool, id, { tool_input: input, error, duration_ms: seconds * 1000 }, by),
  ];
}

function openCall(at: number, tool: string, input: JsonObject, by?: JsonObject): Told[] {
  return [tell.pre(at, tool, `toolu_scene${(ids += 1)}`, input, by)];
}

const start = (at: number) => hook(at, "SessionStart", { source: "startup", model: "claude-sonnet-5" });

/** An agent that is called, works, and reports. */
function delegate(
  at: number,
  seconds: number | null,
  id: string,
  type: string,
  description: string,
  work: (by: JsonObject) => Told[],
  parent?: JsonObject,
): Told[] {
  const toolUseId = `toolu_scene${(ids += 1)}`;
  const input = { subagent_type: type, description, prompt: `${description}, and report.` };
  const by = agent(id, type);
  const response = { isAsync: true, status: "async_launched", agentId: id, description };
  return [
    tell.pre(at, "Agent", toolUseId, input, parent),
    hook(at + 0.1, "SubagentStart", by),
    tell.post(at + 0.2, "Agent", toolUseId, { tool_input: input, tool_response: response }, parent),
    ...work(by),
    ...(seconds === null ? [] : [tell.agentStop(at + seconds, id, type)]),
  ];
}

const WEB = "/home/dana/work/web-frontend";
const web = (path: string) => `${WEB}/${path}`;

function webFrontend(): Told[] {
  const src = (name: string) => web(`src/${name}`);
  return [
    start(-1500),
    tell.prompt(
      -1490,
      "Make the checkout form accessible: labels, focus order, error messages. Tests must pass.",
    ),
    ...call(-1480, 0.2, "Grep", { pattern: "<Checkout", path: web("src") }),
    ...call(-1478, 0.1, "Read", { file_path: src("checkout/Form.tsx") }),
    ...call(-1477, 0.1, "Read", { file_path: src("checkout/Field.tsx") }),
    ...call(-1476, 0.1, "Read", { file_path: src("checkout/errors.ts") }),
    ...delegate(-1440, 420, "a793beae9fa532d0f", "Explore", "Find every form field without a label", (by) => [
      ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((n) =>
        call(-1430 + n * 40, 0.4, "Grep", { pattern: `label|aria-${n}` }, { by }),
      ),
      ...[0, 1, 2, 3, 4, 5].flatMap((n) =>
        call(-1415 + n * 55, 0.3, "Read", { file_path: src(`forms/Form${n}.tsx`) }, { by }),
      ),
      ...call(-1120, 45, "Bash", { command: "npx axe http://localhost:5173/checkout" }, { by }),
    ]),
    ...delegate(
      -1435,
      980,
      "a3b4487c1e5f20a9d",
      "engineer",
      "Rewrite the fields with labels and errors",
      (by) => [
        ...call(-1425, 0.2, "Read", { file_path: src("checkout/Field.tsx") }, { by }),
        ...[0, 1, 2, 3, 4].flatMap((n) =>
          call(-1380 + n * 60, 1.5, "Edit", editOf(src(`checkout/${FIELDS[n]}.tsx`)), { by, ...EDITED }),
        ),
        ...failedCall(
          -1050,
          38,
          "Bash",
          { command: "npm test -- checkout" },
          "exit code 1: 3 tests failed",
          by,
        ),
        ...[0, 1, 2].flatMap((n) =>
          call(-990 + n * 50, 1.2, "Edit", editOf(src(`checkout/${FIELDS[n]}.tsx`)), { by, ...EDITED }),
        ),
        ...call(-820, 41, "Bash", { command: "npm test -- checkout" }, { by }),
        ...delegate(
          -760,
          230,
          "ac0ffee5ba5e0001d",
          "Explore",
          "Look how other forms handle focus",
          (inner) => [
            ...[0, 1, 2, 3].flatMap((n) =>
              call(-750 + n * 45, 0.5, "Grep", { pattern: `focus\\(${n}` }, { by: inner }),
            ),
            ...[0, 1, 2].flatMap((n) =>
              call(-735 + n * 60, 0.2, "Read", { file_path: src(`a11y/focus-${n}.ts`) }, { by: inner }),
            ),
          ],
          by,
        ),
        ...call(-520, 2, "Write", { file_path: src("a11y/useFocus.ts"), content: "export {};\n" }, { by }),
      ],
    ),
    tell.stop(-1400, ["a793beae9fa532d0f", "a3b4487c1e5f20a9d"]),
    tell.prompt(-400, "Good. Now the same for the sign-up form, and run all tests."),
    ...call(-395, 0.1, "Read", { file_path: src("signup/Form.tsx") }),
    ...call(-380, 1.4, "Edit", editOf(src("signup/Form.tsx")), EDITED),
    ...delegate(-360, null, "a894ded00c1a2b3f4", "qa", "Run all tests and look into what fails", (by) => [
      ...call(-350, 96, "Bash", { command: "npm test" }, { by }),
      ...failedCall(
        -240,
        61,
        "Bash",
        { command: "npx playwright test signup" },
        "exit code 1: signup.spec.ts:41",
        by,
      ),
      ...call(-170, 0.2, "Read", { file_path: web("e2e/signup.spec.ts") }, { by }),
      ...call(-150, 1.1, "Edit", editOf(web("e2e/signup.spec.ts")), { by, ...EDITED }),
      ...openCall(-75, "Bash", { command: "npx playwright test signup --repeat-each 5" }, by),
    ]),
    ...call(-330, 1.2, "Edit", editOf(src("signup/Field.tsx")), EDITED),
    ...call(-300, 0.6, "Grep", { pattern: "aria-describedby" }),
    ...openCall(-20, "Bash", { command: "npm run build && npx size-limit" }),
  ];
}

const FIELDS = ["Name", "Address", "Card", "Email", "Summary"];
const EDITED = {
  response: {
    structuredPatch: [
      {
        oldStart: 12,
        oldLines: 5,
        newStart: 12,
        newLines: 8,
        lines: [
          " export function Field({ name, error }: FieldProps) {",
          "   return (",
          "-    <input name={name} placeholder={name} />",
          "+    <>",
          "+      <label htmlFor={name}>{LABELS[name]}</label>",
          "+      <input id={name} name={name} aria-describedby={`${name}-error`} />",
          "+    </>",
          "   );",
        ],
      },
    ],
  },
};

function editOf(path: string): JsonObject {
  return {
    file_path: path,
    old_string: "    <input name={name} placeholder={name} />",
    new_string:
      "    <>\n      <label htmlFor={name}>{LABELS[name]}</label>\n      <input id={name} name={name} />\n    </>",
  };
}

const SCENE: SceneSession[] = [
  {
    id: "5b1f0a52-7d0e-4c5e-9c0e-2f6a1d3b8c01",
    cwd: "/home/dana/work/shop-api",
    hooks: [
      start(-900),
      tell.prompt(-890, "Release 2.4.0: changelog, tag, publish."),
      ...call(-880, 0.1, "Read", { file_path: "/home/dana/work/shop-api/CHANGELOG.md" }),
      ...call(-860, 1.2, "Edit", editOf("/home/dana/work/shop-api/CHANGELOG.md"), EDITED),
      ...call(-840, 74, "Bash", { command: "npm test" }),
      ...call(-700, 2.1, "Bash", { command: "git tag v2.4.0" }),
      ...openCall(-134, "Bash", { command: "npm publish --access public" }),
      tell.ask(-134, "Bash", { command: "npm publish --access public" }),
    ],
  },
  { id: "713a9c5d-9c0f-42e1-9048-173777c6bd06", cwd: WEB, hooks: webFrontend() },
  {
    id: "c0a8f3b2-11d4-4f7a-8a55-90be7723aa10",
    cwd: "/home/dana/work/data-pipeline",
    hooks: [
      start(-2400),
      tell.prompt(-2390, "Why is the nightly import slow since Tuesday? Profile it."),
      ...call(-2380, 3, "Bash", { command: "git log --since=tuesday --oneline" }),
      ...call(-2300, 210, "Bash", { command: "python -m cProfile -o out.prof import.py --limit 10000" }),
      ...call(-2000, 0.4, "Bash", { command: "python -m pstats out.prof" }),
      ...call(-1950, 0.2, "Read", { file_path: "/home/dana/work/data-pipeline/import.py" }),
      ...call(-1900, 1.3, "Edit", editOf("/home/dana/work/data-pipeline/import.py"), EDITED),
      ...openCall(-412, "Bash", { command: "python import.py --full" }),
    ],
  },
  {
    id: "e518dede-44aa-4b1f-bb0c-5d1c7f60f9d2",
    cwd: "/home/dana/work/handbook",
    hooks: [
      start(-1200),
      tell.prompt(-1190, "Write the on-call page from last month's incidents."),
      ...call(-1180, 0.1, "Read", { file_path: "/home/dana/work/handbook/incidents.md" }),
      ...call(-1150, 2, "Write", {
        file_path: "/home/dana/work/handbook/on-call.md",
        content: "# On call\n",
      }),
      tell.stop(-1100),
    ],
  },
  {
    id: "90b1d7aa-3f2c-4e11-8d9b-6a3f5b7c2e44",
    cwd: "/home/dana/work/infra",
    hooks: [
      start(-700),
      tell.prompt(-690, "Move the staging cluster to the new node pool."),
      ...call(-680, 4, "Bash", { command: "terraform plan -target=module.staging" }),
      ...failedCall(
        -640,
        12,
        "Bash",
        { command: "terraform apply -auto-approve" },
        "exit code 1: quota exceeded",
      ),
      hook(-600, "StopFailure", { error: "rate_limit", message: "usage limit reached, resets at 15:00" }),
    ],
  },
  {
    id: "1cd69856-2b9d-4a37-a7a1-0c8e5d2f1b93",
    cwd: "/home/dana/work/shop-api",
    hooks: [
      start(-3300),
      tell.prompt(-3290, "Upgrade the payment SDK to v5."),
      ...call(-3280, 22, "Bash", { command: "npm i payments@5" }),
      ...call(-3240, 1.1, "Edit", editOf("/home/dana/work/shop-api/src/pay.ts"), EDITED),
      ...failedCall(-3200, 64, "Bash", { command: "npm test" }, "exit code 1: pay.test.ts"),
      ...call(-3100, 1.4, "Edit", editOf("/home/dana/work/shop-api/src/pay.ts"), EDITED),
      ...call(-3060, 66, "Bash", { command: "npm test" }),
      tell.stop(-2980),
      tell.end(-2900, "prompt_input_exit"),
    ],
  },
];
