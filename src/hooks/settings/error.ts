import { HintedError } from "../../protocol/hinted-error.ts";

/** Settings that are left as they are; the hint says what to do about it. */
export class SettingsError extends HintedError {}

/** Somebody else has written between the look at a file and its change. */
export class ChangedMeanwhile extends SettingsError {
  constructor(path: string) {
    super(`${path} was changed meanwhile`, "See what is in it, and try again; nothing was changed by this");
  }
}
