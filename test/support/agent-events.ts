/** Events as several agents at work send them, without end: what they call is made up, its shapes are Claude Code's. */
import type { JsonObject } from "../../src/protocol/event.ts";

const TOOLS = [
  ["Bash", (n: number) => ({ command: `bun test ./test/part-${n % 40}.test.ts`, description: "Run a part" })],
  ["Read", (n: number) => ({ file_path: `/home/dev/app/src/module-${n % 300}.ts` })],
  ["Grep", (n: number) => ({ pattern: `createThing${n % 50}`, path: "/home/dev/app/src" })],
  ["Edit", (n: number) => ({ file_path: `/home/dev/app/src/module-${n % 300}.ts`, ...EDIT })],
  ["WebFetch", (n: number) => ({ url: `https://example.org/docs/${n % 20}`, prompt: "What does it say?" })],
] as const;
const EDIT = {
  old_string: "export function thing() {\n  return 1;\n}\n",
  new_string: "export function thing() {\n  return 2;\n}\n",
};
const OUTPUT = "ok 1 - a test that passed and said so in a line of its own\n".repeat(8);
/** Of so many calls one fails. */
const FAILS = 37;

/** Calls of tools, begun and ended in turn by `sessions` sessions; about 1 KB of JSON each. */
export function* agentEvents(sessions: number, seed = "s"): Generator<JsonObject> {
  for (let n = 0; ; n += 1) {
    const session = n % sessions;
    const [tool, inputOf] = TOOLS[Math.floor(n / sessions) % TOOLS.length] as (typeof TOOLS)[number];
    const failed = n % FAILS === FAILS - 1;
    const common = {
      session_id: `${seed}${session}-0000-4000-8000-00000000000${session % 10}`,
      cwd: `/home/dev/app-${session}`,
      source: "claude-code",
      correlation_id: `toolu_${seed}${n}`,
    };
    const data = {
      tool_name: tool,
      tool_input: inputOf(n),
      tool_use_id: `toolu_${seed}${n}`,
      permission_mode: "default",
      prompt_id: `prompt-${seed}${session}`,
    };
    yield { type: "hook.pre_tool_use", ...common, data: { ...data, hook_event_name: "PreToolUse" } };
    yield failed
      ? {
          type: "hook.post_tool_use_failure",
          ...common,
          data: { ...data, hook_event_name: "PostToolUseFailure", error: "exit code 1", duration_ms: 900 },
        }
      : {
          type: "hook.post_tool_use",
          ...common,
          data: {
            ...data,
            hook_event_name: "PostToolUse",
            tool_response: { stdout: OUTPUT, stderr: "", interrupted: false },
            duration_ms: 20 + (n % 400),
          },
        };
  }
}

/** The next so many of a generator. */
export function take<T>(events: Iterator<T>, count: number): T[] {
  return Array.from({ length: count }, () => events.next().value as T);
}
