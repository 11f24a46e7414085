/** Ctrl-C and the like during an upgrade. */
import { CommandError } from "../output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface HeldSignals {
  /** Rejects when the first signal comes. */
  readonly interrupted: Promise<never>;
  /** Lets signals end the process again. */
  release(): void;
}

/** From here on a signal ends nothing by itself: what is half done would stay so, and a server stay stopped. */
export function holdSignals(): HeldSignals {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  // Nobody may be waiting for it any more.
  interrupted.catch(() => {});
  const onSignal = () =>
    reject(new CommandError("Interrupted; nothing was changed", "Run it again at any time"));
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    interrupted,
    release: () => SIGNALS.forEach((signal) => process.off(signal, onSignal)),
  };
}
