/** Settings that are left as they are; the hint says what to do about it. */
export class SettingsError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = "SettingsError";
    this.hint = hint;
  }
}

/** Somebody else has written between the look at a file and its change. */
export class ChangedMeanwhile extends SettingsError {
  constructor(path: string) {
    super(`${path} was changed meanwhile`, "See what is in it, and try again; nothing was changed by this");
    this.name = "ChangedMeanwhile";
  }
}
