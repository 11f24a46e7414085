/** Asks for a token, over all that is shown: it stays there, and goes on when somebody has logged in. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { now } from "../state/clock.ts";
import { type Asked, asked, logIn } from "../state/login.ts";
import { count } from "./words.ts";

export function LoginDialog() {
  const { value: question } = asked;
  const dialog = useRef<HTMLDialogElement>(null);
  const isAsked = question !== null;
  useEffect(() => {
    if (isAsked) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isAsked]);

  // Without a token there is nothing to go back to.
  const stay = (event: Event) => event.preventDefault();
  const comeBack = () => {
    if (asked.peek() !== null) dialog.current?.showModal();
  };
  return (
    <dialog ref={dialog} class="help login" aria-labelledby="login-title" onCancel={stay} onClose={comeBack}>
      {question !== null && <LoginForm {...question} />}
    </dialog>
  );
}

function LoginForm({ problem, notBefore }: Asked) {
  const field = useRef<HTMLInputElement>(null);
  const isTrying = useSignal(false);
  const seconds = Math.max(0, Math.ceil((notBefore - now.value) / 1000));
  const isWaiting = seconds > 0;

  const submit = async (event: Event) => {
    event.preventDefault();
    const given = field.current?.value ?? "";
    if (given.trim() === "" || isTrying.value || isWaiting) return;
    isTrying.value = true;
    await logIn(given);
    isTrying.value = false;
    field.current?.select();
  };

  return (
    <form onSubmit={(event) => void submit(event)}>
      <h2 id="login-title">Log in</h2>
      <p>This server shows its events to those who have a token of it.</p>
      <label for="login-token">Token</label>
      <div class="login-field">
        <input
          id="login-token"
          ref={field}
          type="password"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          required
          aria-invalid={problem !== null}
          aria-describedby="login-problem"
        />
        <button type="submit" class="primary" disabled={isTrying.value || isWaiting}>
          Log in
        </button>
      </div>
      <p id="login-problem" role="alert" class={problem === null ? "" : "problem"}>
        {problem}
      </p>
      {isWaiting && <p class="muted">Tokens are looked at again in {count(seconds, "second")}.</p>}
      <p class="muted">
        On the server’s machine, <code>claude-mpm-socketio open</code> opens this page logged in, and{" "}
        <code>claude-mpm-socketio token create</code> makes a token to use here.
      </p>
    </form>
  );
}
