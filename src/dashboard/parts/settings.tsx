/** What a person can choose. */
import { useSignal } from "@preact/signals";
import { allowNotifications } from "../state/attention.ts";
import { now } from "../state/clock.ts";
import { login, logOut } from "../state/login.ts";
import { hasShortcuts, notifies, theme, THEMES } from "../state/settings.ts";
import { Popover } from "./popover.tsx";
import { oneLine } from "./text.ts";
import { dayAndClock } from "./words.ts";

export function Settings({ onHelp }: { onHelp: () => void }) {
  const isRefused = useSignal("Notification" in globalThis && Notification.permission === "denied");
  const chooseNotifications = async ({ currentTarget }: Event & { currentTarget: HTMLInputElement }) => {
    const wanted = currentTarget.checked;
    // Until the browser's question is answered nothing is decided.
    currentTarget.checked = notifies.value = false;
    notifies.value = wanted && (await allowNotifications());
    isRefused.value = wanted && !notifies.value;
    currentTarget.checked = notifies.value;
  };

  return (
    <Popover name="Settings" class="icon" label={<GearIcon />}>
      <div class="settings">
        <fieldset>
          <legend>Colours</legend>
          {THEMES.map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="theme"
                checked={theme.value === name}
                onChange={() => (theme.value = name)}
              />
              {name === "system" ? "as the system" : name}
            </label>
          ))}
        </fieldset>
        <label>
          <input type="checkbox" checked={notifies.value} onChange={chooseNotifications} />
          Notify me when a session waits for me
        </label>
        {isRefused.value && (
          <p class="muted" role="status">
            The browser does not allow notifications of this page; its settings can.
          </p>
        )}
        <label>
          <input
            type="checkbox"
            checked={hasShortcuts.value}
            onChange={() => (hasShortcuts.value = !hasShortcuts.value)}
          />
          Single-letter shortcuts
        </label>
        <WhoIsLoggedIn />
        <button type="button" onClick={onHelp}>
          List of keys <kbd>?</kbd>
        </button>
      </div>
    </Popover>
  );
}

function WhoIsLoggedIn() {
  const { value } = login;
  if (value === null) return null;
  const { name, scopes, expires_at: end } = value;
  return (
    <div class="who">
      <p>
        Logged in with the token <b>{oneLine(name)}</b>{" "}
        <span class="muted">
          ({scopes.map(oneLine).join(", ")}
          {end !== null && `, until ${dayAndClock(Date.parse(end), now.peek())}`})
        </span>
      </p>
      <button type="button" onClick={() => void logOut()}>
        Log out
      </button>
    </div>
  );
}

function GearIcon() {
  return (
    <>
      <svg
        width="18"
        height="18"
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        stroke-width="2"
        aria-hidden="true"
      >
        <path d="M4 7h10M18 7h2M4 17h2M10 17h10" stroke-linecap="round" />
        <circle cx="16" cy="7" r="2.4" />
        <circle cx="8" cy="17" r="2.4" />
      </svg>
    </>
  );
}
