/** A release that cannot be had or used; the message says why, and the hint what to do. */
export class ReleaseError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = "ReleaseError";
    this.hint = hint;
  }
}
