import { useContext } from "preact/hooks";
import { createContext } from "preact";
import { now } from "../state/clock.ts";
import { age, dayAndClock } from "./words.ts";

/** The moment that is shown, milliseconds since the epoch; null is the present. A replay shows another. */
export const Moment = createContext<number | null>(null);

/** How long ago it was; goes on by itself. */
export function Since({ time }: { time: string }) {
  const moment = useContext(Moment) ?? now.value;
  const at = Date.parse(time);
  return (
    <time dateTime={time} title={dayAndClock(at, moment)} class="since">
      {age(moment - at)}
    </time>
  );
}
