/** Percentiles by nearest rank; null of nothing. */

export function percentile(values: readonly number[], share: number): number | null {
  return percentileOfSorted(
    values.toSorted((a, b) => a - b),
    share,
  );
}

/** For whoever asks more than once, or has sorted them already. */
export function percentileOfSorted(sorted: ArrayLike<number>, share: number): number | null {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? null;
}
