import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { StandsAlone } from "../state/session-source.ts";

interface ViewLinkProps {
  href: string;
  title?: string;
  class?: string;
  children: ComponentChildren;
}

/** A link to another view; where there is none, what it says. */
export function ViewLink({ children, ...link }: ViewLinkProps) {
  return useContext(StandsAlone) ? <span title={link.title}>{children}</span> : <a {...link}>{children}</a>;
}
