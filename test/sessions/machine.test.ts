import { describe, expect, test } from "bun:test";
import { readStep } from "../../src/sessions/step.ts";
import { createTimeline } from "../../src/sessions/timeline.ts";
import { viewSession } from "../../src/sessions/view.ts";
import { brief, hook, inside, seen, SESSION, START, stepOf, tell, type Told } from "./story.ts";

const { agentStart, agentStop, ask, batch, end, fail, notify, post, pre, prompt, stop } = tell;

const RM = { command: "rm -r build" };
const LS = { command: "ls" };
const explore = { subagent_type: "Explore", description: "look around", prompt: "…" };
const launched = (agentId: string) => ({
  tool_response: { isAsync: true, status: "async_launched", agentId },
});
const notification = (agent: string, call: string) =>
  `<task-notification>\n<task-id>${agent}</task-id>\n<tool-use-id>${call}</tool-use-id>\n<status>completed</status>\n</task-notification>`;

/** Every story is told hook by hook, each with what is seen after it. */
const STORIES: Record<string, [told: Told, after: string][]> = {
  "a turn with one tool": [
    [hook(0, "SessionStart", { source: "startup" }), "idle"],
    [prompt(1, "list"), "working"],
    [pre(2, "Bash", "a", LS), "working open a"],
    [post(3, "Bash", "a"), "working"],
    [batch(3, ["a"]), "working"],
    [stop(4), "idle"],
    [notify(64, "idle_prompt"), "idle"],
    [prompt(70, "again"), "working"],
    [stop(71), "idle"],
    [end(80), "ended"],
  ],
  "calls side by side close in any order": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a"), "working open a"],
    [pre(1, "Bash", "b"), "working open a,b"],
    [pre(1, "Read", "c"), "working open a,b,c"],
    [post(2, "Bash", "b"), "working open a,c"],
    [fail(3, "Read", "c"), "working open a"],
    [post(4, "Bash", "a"), "working"],
  ],
  "permission, granted": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", RM), "working open a"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a"],
    [notify(7, "permission_prompt"), "waiting (permission Bash) open a"],
    [post(9, "Bash", "a"), "working"],
  ],
  "permission, refused: nothing closes the call but the next prompt": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", RM), "working open a"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a"],
    [prompt(20, "then do not"), "working"],
    [stop(21), "idle"],
  ],
  "of two calls one asks: the other's end answers nothing": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", LS), "working open a"],
    [pre(1, "Bash", "b", RM), "working open a,b"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a,b"],
    [post(3, "Bash", "a"), "waiting (permission Bash) open b"],
    [post(5, "Bash", "b"), "working"],
  ],
  "two calls ask": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", LS), "working open a"],
    [ask(1, "Bash", LS), "waiting (permission Bash) open a"],
    [pre(1, "Write", "b", { file_path: "/x" }), "waiting (permission Bash) open a,b"],
    [ask(2, "Write", { file_path: "/x" }), "waiting (permission Bash) open a,b"],
    [post(3, "Bash", "a"), "waiting (permission Write) open b"],
    [batch(4, ["a", "b"]), "working"],
  ],
  "twice the same call, each asked about": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", RM), "working open a"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a"],
    [pre(1, "Bash", "b", RM), "waiting (permission Bash) open a,b"],
    [ask(2, "Bash", RM), "waiting (permission Bash) open a,b"],
    [post(3, "Bash", "b"), "waiting (permission Bash) open a"],
    [post(4, "Bash", "a"), "working"],
  ],
  "twice the same call, open before either is asked about": [
    [pre(0, "Bash", "a", RM), "working open a"],
    [pre(0, "Bash", "b", RM), "working open a,b"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a,b"],
    [ask(1, "Bash", RM), "waiting (permission Bash) open a,b"],
    [post(2, "Bash", "b"), "waiting (permission Bash) open a"],
    [post(3, "Bash", "a"), "working"],
  ],
  "an end that is told late brings nobody back": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a"), "working open a"],
    [agentStart(1, "x"), "working open a agents x=working"],
    [pre(1, "Bash", "b", LS, inside("x")), "working open a,b agents x=working"],
    [agentStop(2, "x"), "working open a agents x=ended"],
    [stop(2), "idle agents x=ended"],
    [post(3, "Bash", "a"), "idle agents x=ended"],
    [post(3, "Bash", "b", {}, inside("x")), "idle agents x=ended"],
    [batch(3, ["b"], "Bash", inside("x")), "idle agents x=ended"],
  ],
  "an end that comes before its beginning": [
    [post(0, "Bash", "a"), "working"],
    [pre(0, "Bash", "a"), "working"],
  ],
  "a question asked before the server was there": [
    [ask(0, "Bash", RM), "waiting (permission Bash)"],
    [notify(6, "permission_prompt"), "waiting (permission Bash)"],
    [post(9, "Bash", "a"), "working"],
  ],
  "only the notification is seen": [
    [pre(0, "Bash", "a", RM), "working open a"],
    [notify(6, "permission_prompt"), "waiting (permission Bash) open a"],
    [post(9, "Bash", "a"), "working"],
  ],
  "a notification without a type, as older releases send it": [
    [pre(0, "Bash", "a", RM), "working open a"],
    [
      hook(6, "Notification", { message: "Claude needs your permission to use Bash" }),
      "waiting (permission Bash) open a",
    ],
    [post(9, "Bash", "a"), "working"],
    [hook(90, "Notification", { message: "Claude is waiting for your input" }), "idle"],
  ],
  "refused by rule: the batch alone closes the call": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", RM), "working open a"],
    [batch(1, ["a"]), "working"],
    [stop(2), "idle"],
  ],
  "denied by the classifier": [
    [pre(0, "Bash", "a", RM), "working open a"],
    [
      hook(1, "PermissionDenied", {
        tool_name: "Bash",
        tool_input: RM,
        tool_use_id: "a",
        reason: "too dangerous",
      }),
      "working",
    ],
  ],
  "interrupted in a call": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a", RM), "working open a"],
    [pre(1, "Bash", "b", LS), "working open a,b"],
    [fail(5, "Bash", "a", { is_interrupt: true }), "idle"],
    [prompt(9, "differently"), "working"],
  ],
  "interrupted while it thinks: a minute later it is told": [
    [prompt(0, "go"), "working"],
    [notify(60, "idle_prompt"), "idle"],
  ],
  "a question for the person": [
    [prompt(0, "go"), "working"],
    [
      pre(1, "AskUserQuestion", "a", { questions: [{ question: "Which one?" }] }),
      "waiting (input AskUserQuestion) open a",
    ],
    [
      ask(1, "AskUserQuestion", { questions: [{ question: "Which one?" }] }),
      "waiting (input AskUserQuestion) open a",
    ],
    [post(9, "AskUserQuestion", "a"), "working"],
  ],
  "elicitation inside a call, with an answer": [
    [pre(0, "mcp__db__ask", "a"), "working open a"],
    [hook(1, "Elicitation", { message: "Which table?" }), "waiting (input mcp__db__ask) open a"],
    [hook(2, "ElicitationResult", { action: "accept" }), "working open a"],
    [post(3, "mcp__db__ask", "a"), "working"],
  ],
  "elicitation inside a call, never answered": [
    [pre(0, "mcp__db__ask", "a"), "working open a"],
    [hook(1, "Elicitation", { message: "Which table?" }), "waiting (input mcp__db__ask) open a"],
    [post(3, "mcp__db__ask", "a"), "working"],
    [hook(4, "ElicitationResult", { action: "accept" }), "working"],
  ],

  "sub-agents in the background outlive the turn": [
    [prompt(0, "explore"), "working"],
    [pre(1, "Agent", "p", explore), "working open p"],
    [agentStart(1, "x"), "working open p agents x=working"],
    [post(1, "Agent", "p", launched("x")), "working agents x=working"],
    [stop(2, ["x"]), "working agents x=working"],
    [pre(3, "Bash", "a", LS, inside("x")), "working open a agents x=working"],
    [post(4, "Bash", "a", {}, inside("x")), "working agents x=working"],
    [agentStop(5, "x"), "idle agents x=ended"],
    [prompt(5, notification("x", "p")), "working agents x=ended"],
    [stop(6), "idle agents x=ended"],
  ],
  "a sub-agent waits while another works and the main agent rests": [
    [prompt(0, "explore"), "working"],
    [agentStart(1, "x"), "working agents x=working"],
    [agentStart(1, "y", "Plan"), "working agents x=working,y=working"],
    [stop(2, ["x", "y"]), "working agents x=working,y=working"],
    [pre(3, "Bash", "a", RM, inside("x")), "working open a agents x=working,y=working"],
    [ask(3, "Bash", RM, inside("x")), "waiting (permission Bash) open a agents x=waiting,y=working"],
    [
      pre(4, "Bash", "b", RM, inside("y", "Plan")),
      "waiting (permission Bash) open a,b agents x=waiting,y=working",
    ],
    [
      post(5, "Bash", "b", {}, inside("y", "Plan")),
      "waiting (permission Bash) open a agents x=waiting,y=working",
    ],
    [agentStop(6, "y", "Plan"), "waiting (permission Bash) open a agents x=waiting,y=ended"],
    [post(7, "Bash", "a", {}, inside("x")), "working agents x=working,y=ended"],
    [agentStop(8, "x"), "idle agents x=ended,y=ended"],
  ],
  "a result comes in while another sub-agent is in a call": [
    [agentStart(0, "x"), "working agents x=working"],
    [agentStart(0, "y"), "working agents x=working,y=working"],
    [pre(1, "Bash", "a", LS, inside("y")), "working open a agents x=working,y=working"],
    [agentStop(2, "x"), "working open a agents x=ended,y=working"],
    [prompt(2, notification("x", "p")), "working open a agents x=ended,y=working"],
    [stop(3, ["y"]), "working open a agents x=ended,y=working"],
    [prompt(4, "and now this"), "working open a agents x=ended,y=working"],
    [stop(5, ["y"]), "working open a agents x=ended,y=working"],
    [post(6, "Bash", "a", {}, inside("y")), "working agents x=ended,y=working"],
    [agentStop(7, "y"), "idle agents x=ended,y=ended"],
  ],
  "a sub-agent in the foreground ends with its call": [
    [prompt(0, "explore"), "working"],
    [pre(1, "Agent", "p", explore), "working open p"],
    [agentStart(1, "x"), "working open p agents x=working"],
    [
      post(9, "Agent", "p", { tool_response: { agentId: "x", status: "completed" } }),
      "working agents x=ended",
    ],
  ],
  "a sub-agent in the foreground is gone when its turn is interrupted": [
    [prompt(0, "explore"), "working"],
    [pre(1, "Agent", "p", explore), "working open p"],
    [agentStart(1, "x"), "working open p agents x=working"],
    [pre(2, "Bash", "a", LS, inside("x")), "working open p,a agents x=working"],
    [prompt(9, "stop that"), "working agents x=ended"],
    [stop(10), "idle agents x=ended"],
  ],
  "what is cut short takes only those along whom it was waiting for": [
    [agentStart(0, "w"), "working agents w=working"],
    [pre(1, "Agent", "p", explore), "working open p agents w=working"],
    [agentStart(1, "x"), "working open p agents w=working,x=working"],
    [agentStart(2, "z", "Plan"), "working open p agents w=working,x=working,z=working"],
    [fail(9, "Agent", "p", { is_interrupt: true }), "working agents w=working,x=ended,z=working"],
  ],
  "whoever can type has answered a sub-agent's question too": [
    [agentStart(0, "x"), "working agents x=working"],
    [pre(1, "Bash", "a", RM, inside("x")), "working open a agents x=working"],
    [ask(1, "Bash", RM, inside("x")), "waiting (permission Bash) open a agents x=waiting"],
    [prompt(9, "go on"), "working open a agents x=working"],
  ],
  "a notification about a sub-agent's question, which names neither": [
    [agentStart(0, "x"), "working agents x=working"],
    [stop(0, ["x"]), "working agents x=working"],
    [pre(1, "mcp__db__ask", "a", {}, inside("x")), "working open a agents x=working"],
    [
      hook(2, "Elicitation", { message: "Which table?", ...inside("x") }),
      "waiting (input mcp__db__ask) open a agents x=waiting",
    ],
    [notify(2, "elicitation_dialog"), "waiting (input mcp__db__ask) open a agents x=waiting"],
    [hook(3, "ElicitationResult", { action: "accept" }), "working open a agents x=working"],
    [post(4, "mcp__db__ask", "a", {}, inside("x")), "working agents x=working"],
    [agentStop(5, "x"), "idle agents x=ended"],
  ],
  "only the notification of a sub-agent's question is seen": [
    [agentStart(0, "x"), "working agents x=working"],
    [stop(0, ["x"]), "working agents x=working"],
    [pre(1, "Bash", "a", RM, inside("x")), "working open a agents x=working"],
    [notify(7, "permission_prompt"), "waiting (permission Bash) open a agents x=waiting"],
    [post(9, "Bash", "a", {}, inside("x")), "working agents x=working"],
  ],
  "a refusal whose prompt was lost: the next turn has another number": [
    [hook(0, "UserPromptSubmit", { prompt: "go", prompt_id: "one" }), "working"],
    [pre(1, "Bash", "a", RM, { prompt_id: "one" }), "working open a"],
    [ask(1, "Bash", RM, { prompt_id: "one" }), "waiting (permission Bash) open a"],
    [pre(9, "Bash", "b", LS, { prompt_id: "two" }), "working open b"],
    [post(10, "Bash", "b", { prompt_id: "two" }), "working"],
  ],
  "the question comes before its call, in the same moment": [
    [ask(0, "Bash", RM), "waiting (permission Bash)"],
    [pre(0, "Bash", "a", RM), "waiting (permission Bash) open a"],
    [post(5, "Bash", "a"), "working"],
  ],
  "a hook of the user's has changed the input": [
    [pre(0, "Bash", "a", LS), "working open a"],
    [ask(0, "Bash", RM), "waiting (permission Bash) open a"],
    [pre(1, "Read", "b"), "waiting (permission Bash) open a,b"],
    [post(2, "Read", "b"), "waiting (permission Bash) open a"],
    [post(5, "Bash", "a"), "working"],
  ],
  "a batch that straggles in after the turn": [
    [pre(0, "Bash", "a"), "working open a"],
    [post(1, "Bash", "a"), "working"],
    [stop(2), "idle"],
    [batch(2, ["a"]), "idle"],
  ],
  "the start is told in the same moment as the first prompt, behind it": [
    [prompt(0, "go"), "working"],
    [hook(0, "SessionStart", { source: "startup" }), "working"],
  ],
  "a sub-agent that was killed is missing from the next list": [
    [agentStart(0, "x"), "working agents x=working"],
    [agentStart(0, "y"), "working agents x=working,y=working"],
    [stop(1, ["x", "y"]), "working agents x=working,y=working"],
    [prompt(2, "kill x"), "working agents x=working,y=working"],
    [stop(3, ["y"]), "working agents x=ended,y=working"],
  ],
  "whoever a sub-agent was waiting for goes with it": [
    [prompt(0, "go"), "working"],
    [pre(1, "Agent", "p", explore), "working open p"],
    [agentStart(1, "x"), "working open p agents x=working"],
    [
      pre(2, "Agent", "q", { ...explore, subagent_type: "Plan" }, inside("x")),
      "working open p,q agents x=working",
    ],
    [agentStart(2, "y", "Plan"), "working open p,q agents x=working,y=working"],
    [pre(3, "Bash", "b", LS, inside("y", "Plan")), "working open p,q,b agents x=working,y=working"],
    [fail(9, "Agent", "p", { is_interrupt: true }), "idle agents x=ended,y=ended"],
  ],
  "a call for a sub-agent fails, and with it the sub-agent": [
    [prompt(0, "go"), "working"],
    [pre(1, "Agent", "p", explore), "working open p"],
    [agentStart(1, "x"), "working open p agents x=working"],
    [fail(5, "Agent", "p"), "working agents x=failed"],
    [batch(5, ["p"], "Agent"), "working agents x=failed"],
    [stop(6), "idle agents x=failed"],
  ],
  "of two that may have failed nobody knows which": [
    [pre(0, "Agent", "p", explore), "working open p"],
    [pre(0, "Agent", "q", explore), "working open p,q"],
    [agentStart(1, "x"), "working open p,q agents x=working"],
    [agentStart(1, "y"), "working open p,q agents x=working,y=working"],
    [fail(5, "Agent", "p"), "working open q agents x=working,y=working"],
  ],
  "a report is the end of a sub-agent that was not seen to stop": [
    [pre(0, "Agent", "p", explore), "working open p"],
    [agentStart(0, "x"), "working open p agents x=working"],
    [post(0, "Agent", "p", launched("x")), "working agents x=working"],
    [hook(1, "Stop"), "working agents x=working"],
    [prompt(5, notification("x", "p")), "working agents x=ended"],
    [hook(6, "Stop"), "idle agents x=ended"],
  ],
  "a report of failure": [
    [agentStart(0, "x"), "working agents x=working"],
    [prompt(5, notification("x", "p").replace("completed", "failed")), "working agents x=failed"],
    [agentStop(6, "x"), "working agents x=failed"],
  ],
  "only a call for a sub-agent names one": [
    [agentStart(0, "x"), "working agents x=working"],
    [stop(1, ["x"]), "working agents x=working"],
    [pre(2, "SendMessage", "a"), "working open a agents x=working"],
    [post(3, "SendMessage", "a", { tool_response: { agentId: "x" } }), "working agents x=working"],
    [post(4, "mcp__crm__get", "b", { tool_response: { agent_id: "salesman" } }), "working agents x=working"],
    [stop(5, ["x"]), "working agents x=working"],
  ],
  "an empty list ends nobody it has never named": [
    [agentStart(0, "x"), "working agents x=working"],
    [stop(1), "working agents x=working"],
    [agentStop(2, "x"), "idle agents x=ended"],
  ],
  "an agent stops that was never seen to start": [
    [prompt(0, "go"), "working"],
    [stop(1), "idle"],
    [agentStop(2, "x", ""), "idle agents x=ended"],
  ],
  "an agent works that was never seen to start": [
    [pre(0, "Bash", "a", LS, inside("x")), "working open a agents x=working"],
    [post(1, "Bash", "a", {}, inside("x")), "working agents x=working"],
    [agentStop(2, "x"), "idle agents x=ended"],
  ],
  "an agent that has stopped is sent another message": [
    [agentStart(0, "x"), "working agents x=working"],
    [agentStop(1, "x"), "idle agents x=ended"],
    [pre(9, "Bash", "a", LS, inside("x")), "working open a agents x=working"],
    [agentStop(10, "x"), "idle agents x=ended"],
  ],
  "a type alone makes no sub-agent": [
    [pre(0, "Bash", "a", LS, { agent_type: "reviewer" }), "working open a"],
    [hook(1, "Stop", { agent_type: "reviewer" }), "idle"],
  ],

  "given up, and taken up again": [
    [prompt(0, "go"), "working"],
    [pre(1, "Bash", "a"), "working open a"],
    [hook(2, "StopFailure", { error: "rate_limit" }), "failed"],
    [notify(62, "idle_prompt"), "failed"],
    [prompt(70, "try again"), "working"],
    [stop(71), "idle"],
  ],
  "compaction within a turn, and by hand": [
    [prompt(0, "go"), "working"],
    [hook(1, "PreCompact", { trigger: "auto" }), "working"],
    [hook(2, "SessionStart", { source: "compact" }), "working"],
    [hook(2, "PostCompact", { trigger: "auto" }), "working"],
    [stop(3), "idle"],
    [hook(10, "PreCompact", { trigger: "manual" }), "working"],
    [hook(12, "PostCompact", { trigger: "manual" }), "idle"],
  ],
  "killed in a call, and resumed by another process": [
    [prompt(0, "go"), "working"],
    [agentStart(1, "x"), "working agents x=working"],
    [pre(1, "Bash", "a"), "working open a agents x=working"],
    [hook(100, "SessionStart", { source: "resume" }), "idle agents x=ended"],
    [prompt(101, "go on"), "working agents x=ended"],
  ],
  "what straggles in after the end changes nothing": [
    [agentStart(0, "x"), "working agents x=working"],
    [pre(1, "Bash", "a", LS, inside("x")), "working open a agents x=working"],
    [end(2), "ended agents x=ended"],
    [post(3, "Bash", "a", {}, inside("x")), "ended agents x=ended"],
    [pre(3, "Bash", "b", LS, inside("x")), "ended agents x=ended"],
    [stop(3, ["z"]), "ended agents x=ended"],
    [agentStop(3, "x"), "ended agents x=ended"],
    [notify(4, "permission_prompt"), "ended agents x=ended"],
    [hook(5, "SomethingNew", { agent_id: "z" }), "ended agents x=ended"],
    [hook(9, "SessionStart", { source: "resume" }), "idle agents x=ended"],
  ],
  "what nobody knows yet": [
    [hook(0, "SomethingNew", {}), "idle"],
    [prompt(1, "go"), "working"],
    [hook(2, "ToolProgress", { tool_use_id: "a", percent: 42 }), "working"],
    [hook(3, "SubagentHeartbeat", inside("z")), "working"],
    [hook(4, "12345", {}), "working"],
  ],
};

for (const [name, steps] of Object.entries(STORIES)) {
  test(name, () => {
    const told: Told[] = [];
    for (const [step, after] of steps) {
      told.push(step);
      expect(`${step.at} ${step.name}: ${brief(seen(told))}`).toBe(`${step.at} ${step.name}: ${after}`);
    }
  });
}

describe("whatever the order of arrival", () => {
  for (const [name, steps] of Object.entries(STORIES)) {
    test(`${name}: late events count where they belong`, () => {
      // Ties keep the order of arrival: only what has a time of its own may come late.
      const told = steps.map(([step], index) => ({ ...step, at: step.at + index / 1000 }));
      const whole = seen(told);
      for (let late = 0; late < told.length; late += 1) {
        const shuffled = [...told.slice(0, late), ...told.slice(late + 1), ...told.slice(late, late + 1)];
        expect(seen(shuffled)).toEqual(whole);
      }
      expect(seen(told.toReversed())).toEqual(whole);
    });
  }
});

describe("silence", () => {
  const killed = [
    prompt(0, "go"),
    agentStart(1, "x"),
    pre(1, "Bash", "a", LS, inside("x")),
    ask(2, "Bash", LS, inside("x")),
  ];

  test("within an hour nothing is presumed", () => {
    expect(brief(seen(killed, 3602))).toBe("waiting (permission Bash) open a agents x=waiting");
  });

  test("after an hour the session is over, and what was open is unfinished", () => {
    const session = seen(killed, 3603);
    expect(brief(session)).toBe("ended agents x=ended");
    expect(session).toMatchObject({ ended_reason: "silence", state_since: "2026-01-31T13:00:02.000Z" });
    expect(session.tools).toMatchObject([{ tool: "Bash", calls: 1, unfinished: 1 }]);
  });

  test("a call that takes longer brings the session back", () => {
    const session = seen([...killed, post(9000, "Bash", "a", {}, inside("x"))]);
    expect(brief(session)).toBe("working agents x=working");
    expect(session.tools).toMatchObject([{ tool: "Bash", calls: 1, unfinished: 0, total_ms: 8_999_000 }]);
  });

  test("a report after it ends nobody who works on", () => {
    const told = [...killed, prompt(9000, notification("shell", "s"))];
    expect(brief(seen(told))).toBe("waiting (permission Bash) open a agents x=waiting");
  });

  test("a prompt after it begins anew", () => {
    const session = seen([...killed, prompt(9000, "hello?")]);
    expect(brief(session)).toBe("working agents x=ended");
  });
});

describe("what a session adds up to", () => {
  const session = seen([
    hook(0, "SessionStart", { source: "startup", model: "a-model" }),
    prompt(1, "mend it"),
    pre(2, "Read", "a", { file_path: "/w/app/x.ts" }),
    post(3, "Read", "a", { duration_ms: 12, tool_input: { file_path: "/w/app/x.ts" } }),
    pre(4, "Edit", "b", { file_path: "/w/app/x.ts" }),
    post(5, "Edit", "b", { duration_ms: 30, tool_input: { file_path: "/w/app/x.ts" } }),
    pre(6, "Bash", "c", LS),
    fail(7, "Bash", "c", { duration_ms: 100 }),
    pre(8, "Bash", "d", RM),
    ask(8, "Bash", RM),
    prompt(20, "not that"),
    pre(21, "Agent", "e", explore),
    agentStart(21, "x"),
    post(21, "Agent", "e", { ...launched("x"), duration_ms: 5 }),
    pre(22, "Agent", "f", { ...explore, subagent_type: "Plan" }, inside("x")),
    agentStart(22, "y", "Plan"),
    post(22, "Agent", "f", launched("y"), inside("x")),
    prompt(30, notification("x", "e")),
  ]);

  test("prompt, project, source, times", () => {
    expect(session).toMatchObject({
      prompt: "not that",
      project: "/w/app",
      source: "claude-code",
      started_at: "2026-01-31T12:00:00.000Z",
      last_event_at: "2026-01-31T12:00:30.000Z",
      state_since: "2026-01-31T12:00:20.000Z",
      event_count: 18,
    });
  });

  test("tools, with failures and refusals", () => {
    expect(session.tools).toMatchObject([
      { tool: "Read", calls: 1, failures: 0, denied: 0, total_ms: 12, p95_ms: 12 },
      { tool: "Edit", calls: 1, failures: 0, denied: 0, total_ms: 30, p95_ms: 30 },
      { tool: "Bash", calls: 2, failures: 1, denied: 1, total_ms: 100, p95_ms: 100 },
      { tool: "Agent", calls: 2, failures: 0, denied: 0 },
    ]);
  });

  test("files", () => {
    expect(session.files).toEqual([{ path: "/w/app/x.ts", reads: 1, edits: 1 }]);
  });

  test("the tree of agents", () => {
    expect(session.agents.map(({ agent_id: id, ...agent }) => [id, agent])).toMatchObject([
      [null, { agent_type: null, state: "working", parent_tool_use_id: null }],
      ["x", { agent_type: "Explore", parent_tool_use_id: "e", parent_agent_id: null }],
      ["y", { agent_type: "Plan", parent_tool_use_id: "f", parent_agent_id: "x" }],
    ]);
  });

  test("what a call itself tells of its end stands, told twice or guessed at before", () => {
    const told = [
      pre(0, "Bash", "a"),
      batch(1, ["a"]),
      post(2, "Bash", "a", { duration_ms: 7 }),
      post(3, "Bash", "a", { duration_ms: 7 }),
      pre(4, "Bash", "b"),
      stop(5),
      fail(6, "Bash", "b", { duration_ms: 3 }),
    ];
    expect(seen(told).tools).toEqual([
      { tool: "Bash", calls: 2, failures: 1, denied: 0, unfinished: 0, total_ms: 10, p95_ms: 7 },
    ]);
  });

  test("a refusal counts as such inside a sub-agent too", () => {
    const told = [
      agentStart(0, "x"),
      pre(1, "Bash", "a", RM, inside("x")),
      ask(1, "Bash", RM, inside("x")),
      agentStop(9, "x"),
    ];
    expect(seen(told).tools).toMatchObject([{ tool: "Bash", calls: 1, denied: 1, unfinished: 0 }]);
  });

  test("a file counts once for a call that is told twice", () => {
    const read = post(0, "Read", "a", { tool_input: { file_path: "/x" } });
    expect(seen([read, { ...read, at: 3 }]).files).toEqual([{ path: "/x", reads: 1, edits: 0 }]);
  });

  test("what is asked is told, and not that something is", () => {
    const told = [
      pre(0, "Bash", "a", RM),
      ask(0, "Bash", RM),
      notify(6, "permission_prompt", "Claude needs your permission"),
    ];
    expect(seen(told).waiting_for).toEqual({ kind: "permission", tool: "Bash", message: "rm -r build" });
    const [, , reminder] = told;
    expect(seen([reminder as Told]).waiting_for?.message).toBe("Claude needs your permission");
  });

  test("p95 by nearest rank", () => {
    const calls = Array.from({ length: 20 }, (_, index) => {
      return post(index, "Bash", `t${index}`, { duration_ms: (index + 1) * 10 });
    });
    expect(seen(calls).tools).toMatchObject([{ calls: 20, total_ms: 2100, p95_ms: 190 }]);
  });
});

test("a session of thousands of steps keeps its sums, and bounds what it keeps", () => {
  const story: Told[] = [prompt(0, "go")];
  for (let index = 0; index < 3000; index += 1) {
    story.push(pre(index + 1, "Read", `t${index}`, { file_path: `/w/${index}` }));
    story.push(post(index + 1.5, "Read", `t${index}`, { tool_input: { file_path: `/w/${index}` } }));
  }
  const late = story.splice(5900, 1);
  const session = seen([...story, ...late]);
  expect(session.tools).toMatchObject([{ tool: "Read", calls: 3000, unfinished: 0 }]);
  expect(session).toMatchObject({ event_count: 6001, open_tools: [], state: "working" });
  expect(session.files).toHaveLength(500);
  expect(session.files.at(-1)?.path).toBe("/w/2999");
});

test("calls that are never closed are not kept for ever", () => {
  const story = Array.from({ length: 1200 }, (_, index) => pre(index, "Read", `t${index}`));
  expect(seen(story).open_tools).toHaveLength(200);
});

test("what belongs before all that is kept is counted, and changes nothing else", () => {
  const story = [prompt(10, "now")];
  for (let index = 0; index < 500; index += 1) story.push(pre(index + 11, "Read", `t${index}`));
  const late = [prompt(1, "long ago"), end(2)];
  const [before, after] = [seen(story), seen([...story, ...late])];
  expect(after).toEqual({
    ...before,
    event_count: before.event_count + 2,
    started_at: "2026-01-31T12:00:01.000Z",
  });
});

test("a session that has settled goes on, and takes late events for what they are", () => {
  const timeline = createTimeline(SESSION, stepOf(prompt(0, "go")));
  for (const told of [prompt(0, "go"), pre(1, "Bash", "a")]) timeline.add(stepOf(told));
  timeline.settle();
  timeline.settle();
  const now = () => brief(viewSession(timeline.session(), START));
  expect(now()).toBe("working open a");
  timeline.add(stepOf(post(5000, "Bash", "a")));
  timeline.add(stepOf(pre(5001, "Bash", "c")));
  timeline.add(stepOf(pre(5000.5, "Bash", "b")));
  timeline.add(stepOf(end(0.5)));
  expect(now()).toBe("working open b,c");
  expect(timeline.session().eventCount).toBe(6);
});

describe("what is kept of a step", () => {
  const step = (fields: object, event: object = {}) =>
    readStep({ type: "hook.user_prompt_submit", data: fields, ...event }, null, START);

  test("is a copy, so that a megabyte is not kept for a part of it", () => {
    const before = process.memoryUsage.rss();
    const steps = Array.from({ length: 100 }, (_, index) => {
      const text = `${index} ${"x".repeat(1_000_000)}`;
      return step({ prompt: JSON.parse(JSON.stringify(text)), tool_input: { command: text } });
    });
    Bun.gc(true);
    expect(steps.every(({ prompt: kept }) => kept.length === 4000)).toBe(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60e6);
  });

  test("has a bound, whatever it is", () => {
    const long = "x".repeat(100_000);
    const all = step(
      { agent_id: long, tool_name: long, tool_use_id: long, tool_input: { file_path: long }, reason: long },
      { type: `hook.${long}`, source: long },
    );
    const { name: _type, ...kept } = all;
    expect(JSON.stringify(kept).length).toBeLessThan(10_000);
  });

  test("a time without a zone is that of the arrival", () => {
    expect(step({}, { timestamp: "2020-01-01T00:00:00" }).time).toBe(START);
    expect(step({}, { timestamp: "2020-01-01T00:00:00+02:00" }).time).toBe(Date.UTC(2019, 11, 31, 22));
    expect(step({}, { timestamp: 1_577_836_800 }).time).toBe(Date.UTC(2020, 0, 1));
    for (const wrong of ["soon", -5, Number.NaN, [], "2999-01-01T00:00:00Z"]) {
      expect(step({}, { timestamp: wrong }).time).toBe(START);
    }
  });

  test("names that every object has are names like others", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(readStep({ type: name }, null, START).name).toBe(name);
      expect(brief(seen([hook(0, name)]))).toBe("idle");
    }
    const fields = JSON.parse('{"__proto__": {"agent_id": "ghost"}, "prompt": "x"}');
    expect(step(fields)).toMatchObject({ agentId: null, prompt: "x" });
  });
});
