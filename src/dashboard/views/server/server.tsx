/** How the server does: what it says of itself, the last ten minutes, and who is connected. */
import { useEffect } from "preact/hooks";
import { oneLine } from "../../parts/text.ts";
import { clock } from "../../parts/words.ts";
import { login } from "../../state/login.ts";
import { type Answer, type Problem, serverFigures } from "../../state/server-figures.ts";
import { useStore } from "../../state/store.ts";
import { Charts } from "./charts.tsx";
import { Clients, isIncompatible } from "./clients.tsx";
import { HealthPanel } from "./health.tsx";
import { Nodes } from "./nodes.tsx";
import { Tiles } from "./tiles.tsx";

export function ServerView() {
  const { feed } = useStore();
  useEffect(() => serverFigures.watch(feed), [feed]);
  const { value: answer } = serverFigures.answer;
  const { value: problem } = serverFigures.problem;

  return (
    <>
      <div class="toolbar">
        <h1>Server</h1>
        {/* A link cannot carry a token. */}
        {login.value === null && <a href="docs">The API</a>}
      </div>
      {problem !== null && <ProblemNote problem={problem} answer={answer} />}
      {answer === null && problem === null && <p class="muted">Asking the server…</p>}
      {answer !== null && (
        <div class={problem === null ? "server" : "server server-old"}>
          <HealthPanel
            health={answer.health}
            asOf={problem === null ? null : answer.at}
            incompatible={answer.clients?.clients.filter(isIncompatible).length ?? 0}
          />
          <Tiles answer={answer} />
          {answer.stats.nodes && <Nodes nodes={answer.stats.nodes} self={answer.stats.server_info.id} />}
          <Charts answer={answer} isOld={problem !== null} />
          {answer.clients === null ? (
            <p class="muted">Who is connected is told to tokens with the scope admin alone.</p>
          ) : (
            <Clients list={answer.clients} isThisPageIn={answer.isThisPageIn} />
          )}
        </div>
      )}
    </>
  );
}

function ProblemNote({ problem: { kind, text }, answer }: { problem: Problem; answer: Answer | null }) {
  const asOf = answer === null ? "" : ` What is shown is as of ${clock(answer.at)}.`;
  const isSilent = kind === "no_answer";
  return (
    <div class="problem no-answer">
      <p role="alert">
        <strong>
          {isSilent ? "The server does not answer." : "What the server answers cannot be shown."}
        </strong>
        {asOf} This page goes on asking.
      </p>
      {isSilent && (
        <p class="next-step">
          See whether it runs with <code>claude-mpm-socketio status</code>, start it with{" "}
          <code>claude-mpm-socketio start</code>; <code>claude-mpm-socketio doctor</code> finds what is in the
          way.
        </p>
      )}
      <p class="muted">{oneLine(text)}</p>
    </div>
  );
}
