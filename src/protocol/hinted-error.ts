/** A failure that was to be expected: the message says what failed, the hint what to do next. */
export class HintedError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
