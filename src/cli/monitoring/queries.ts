/** Expressions of PromQL over the server's metrics, in which no name can be misspelled. */
import { type CounterKey, type HistogramKey, type MetricKey, metricName } from "../../metrics.ts";

/** What the labels of a metric have to be, as Prometheus writes it: `reason=~"a|b"`. */
export type Selector = string;

export interface Queries {
  metric(key: MetricKey, ...selectors: Selector[]): string;
  /** Per second. */
  rate(key: CounterKey, ...selectors: Selector[]): string;
  increase(key: CounterKey, over: string): string;
  quantile(quantile: number, key: HistogramKey): string;
  /** Of all that was measured. */
  mean(key: HistogramKey): string;
}

/**
 * @param everywhere stands in every selector
 * @param window what rates are taken over
 */
export function createQueries(everywhere: readonly Selector[], window: string): Queries {
  const select = (name: string, selectors: readonly Selector[]) => {
    const all = [...everywhere, ...selectors];
    return all.length === 0 ? name : `${name}{${all.join(",")}}`;
  };
  const rateOf = (name: string, selectors: readonly Selector[] = []) =>
    `rate(${select(name, selectors)}[${window}])`;
  return {
    metric: (key, ...selectors) => select(metricName(key), selectors),
    rate: (key, ...selectors) => rateOf(metricName(key), selectors),
    increase: (key, over) => `increase(${select(metricName(key), [])}[${over}])`,
    quantile(quantile, key) {
      const buckets = `sum by (server_id, instance, le) (${rateOf(`${metricName(key)}_bucket`)})`;
      return `histogram_quantile(${quantile}, ${buckets})`;
    },
    mean: (key) => `${rateOf(`${metricName(key)}_sum`)} / ${rateOf(`${metricName(key)}_count`)}`,
  };
}
