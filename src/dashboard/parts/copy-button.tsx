import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useKeys } from "./shortcuts.ts";

const SAID_MS = 1500;

interface CopyButtonProps {
  label: string;
  text: () => string;
  /** A key that does the same. */
  shortcut?: string;
}

export function CopyButton({ label, text, shortcut }: CopyButtonProps) {
  const said = useSignal("");
  useEffect(() => {
    if (said.value === "") return;
    const timer = setTimeout(() => (said.value = ""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said.value]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      said.value = "Copied";
    } catch {
      // Pages over plain HTTP from another machine have no clipboard.
      said.value = "Not allowed";
    }
  };
  useKeys(shortcut === undefined ? {} : { [shortcut]: () => void copy() });
  return (
    <button type="button" onClick={copy}>
      <span aria-live="polite">{said.value || label}</span>
    </button>
  );
}
