/** The time of day as the page shows it: all durations on it move together, once a second. */
import { signal } from "@preact/signals";

export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 1000);
