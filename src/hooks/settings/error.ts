/** Settings that are left as they are; the hint says what to do about it. */
export class SettingsError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = "SettingsError";
    this.hint = hint;
  }
}
