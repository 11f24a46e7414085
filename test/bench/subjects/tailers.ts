/** Reads a log on Redis as so many nodes do, and does nothing else: what Redis bears is theirs, at a fraction of the cost. */
import { Redis } from "ioredis";
import { KEYS } from "../../../src/log/redis/scripts.ts";

const [url = "", count = "0"] = process.argv.slice(2);

async function tail(): Promise<never> {
  const redis = new Redis(url);
  let last = "$";
  for (;;) {
    const answer = await redis.xread("COUNT", 1000, "BLOCK", 1000, "STREAMS", KEYS.log, last);
    const entries = (answer?.[0]?.[1] ?? []) as [string, string[]][];
    last = entries.at(-1)?.[0] ?? last;
  }
}

for (let n = 0; n < Number(count); n += 1) void tail();
process.stdout.write("reading\n");
