/** A button that opens a small panel below itself. */
import { type ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface PopoverProps {
  /** For those who do not see it. */
  name: string;
  label: ComponentChildren;
  children: ComponentChildren;
  class?: string;
  onClose?: () => void;
}

export function Popover({ name, label, children, class: extra = "", onClose }: PopoverProps) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();

  const close = () => {
    setOpen(false);
    onClose?.();
  };

  useEffect(() => {
    if (!isOpen) return;
    const onPointer = ({ target }: Event) => {
      if (!root.current?.contains(target as Node)) close();
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [isOpen]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    close();
    root.current?.querySelector("button")?.focus();
  };

  return (
    <div class="popover" ref={root} onKeyDown={onKeyDown}>
      <button
        type="button"
        class={`popover-button ${extra}`}
        aria-expanded={isOpen}
        aria-controls={id}
        title={name}
        onClick={() => (isOpen ? close() : setOpen(true))}
      >
        <span class="hidden">{name} </span>
        {label}
      </button>
      {isOpen && (
        <div id={id} class="popover-panel" role="group" aria-label={name}>
          {children}
        </div>
      )}
    </div>
  );
}
