/** Token buckets: so much a second, and as much as has been saved up at once. */

/** What one client has saved up. */
export interface Bucket {
  tokens: number;
  /** Milliseconds, when that was so. */
  at: number;
}

export interface RateLimitOptions {
  /** Each second. */
  rate: number;
  /** What can be saved up; a second's worth, and at least one, where it is not given. */
  burst?: number;
  /** Milliseconds, never going back. */
  now?: () => number;
}

export interface RateLimit {
  /** A full one. */
  bucket(): Bucket;
  /**
   * Takes so many. More than a bucket holds are taken from a full one, which is then empty for as much longer: else they
   * could never be had.
   *
   * @returns 0, or how many seconds to wait before they can be taken
   */
  take(bucket: Bucket, count: number): number;
  /** Whether nothing is lost when it is forgotten. */
  isFull(bucket: Bucket): boolean;
}

export function createRateLimit({
  rate,
  burst = Math.max(1, rate),
  now = () => performance.now(),
}: RateLimitOptions): RateLimit {
  function refill(bucket: Bucket): void {
    const at = now();
    bucket.tokens = Math.min(burst, bucket.tokens + ((at - bucket.at) / 1000) * rate);
    bucket.at = at;
  }
  return {
    bucket: () => ({ tokens: burst, at: now() }),
    take(bucket, count) {
      refill(bucket);
      const missing = Math.min(count, burst) - bucket.tokens;
      if (missing > 0) return missing / rate;
      bucket.tokens -= count;
      return 0;
    },
    isFull(bucket) {
      refill(bucket);
      return bucket.tokens === burst;
    },
  };
}
