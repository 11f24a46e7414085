/** Medians of interleaved runs. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Milliseconds each of the subjects took, run in turn (A B A B …) after one round that is not counted. */
export async function interleaved<Name extends string>(
  rounds: number,
  subjects: Record<Name, () => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let round = -1; round < rounds; round += 1) {
    for (const name of Object.keys(subjects) as Name[]) {
      const time = await subjects[name]();
      if (round >= 0) times[name].push(time);
    }
  }
  return times;
}

/** Milliseconds a whole process took. */
export async function wholeProcess(command: string[], env: Record<string, string>): Promise<number> {
  const start = performance.now();
  const child = Bun.spawn(command, { env, stdio: ["ignore", "ignore", "ignore"] });
  await child.exited;
  return performance.now() - start;
}
