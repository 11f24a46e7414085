/** The list of keys. */
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { hasShortcuts } from "../state/settings.ts";
import { KEY_LIST } from "./shortcuts.ts";

interface HelpProps {
  isOpen: Signal<boolean>;
  /** The only part of it that works there. */
  only?: string;
}

export function Help({ isOpen, only }: HelpProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen.value]);

  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={() => (isOpen.value = false)}>
      <div class="help-head">
        <h2 id="help-title">Keys</h2>
        <button type="button" onClick={() => (isOpen.value = false)}>
          Close
        </button>
      </div>
      {!hasShortcuts.value && <p>Single-letter shortcuts are off; the settings turn them on.</p>}
      <div class="help-groups">
        {KEY_LIST.filter(({ where }) => only === undefined || where === only).map(({ where, keys }) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    {key.split(" ").map((one) => (
                      <kbd key={one}>{one}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
