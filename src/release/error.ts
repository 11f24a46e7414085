import { HintedError } from "../protocol/hinted-error.ts";

/** A release that cannot be had or used; the message says why, and the hint what to do. */
export class ReleaseError extends HintedError {}
