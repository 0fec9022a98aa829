// Metrics as plain data, before they are written down.

export type Labels = Readonly<Record<string, string>>;

export interface MetricSample {
  readonly labels: Labels;
  readonly value: number;
  /** What makes a series of a histogram out of the family's name. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
}

/** All samples of one name. Names follow Prometheus' conventions: base units, `_total`. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly MetricSample[];
}

const NANOSECONDS = 1e9;

export function seconds(nanoseconds: number): number {
  return nanoseconds / NANOSECONDS;
}

export interface HistogramNumbers {
  /** Ascending upper bounds, in ns. */
  readonly bounds: readonly number[];
  /** How many lie below each bound and not below the one before; one more, for all others. */
  readonly bins: readonly number[];
  /** Of all values, in ns. */
  readonly sum: number;
}

/**
 * A histogram of times. A time that is exactly a bound counts as above it, as in QEMU's bins: a
 * nanosecond beside what `le` means, in exchange for bounds that look as they were set.
 */
export function histogramSamples(
  labels: Labels,
  { bounds, bins, sum }: HistogramNumbers,
): MetricSample[] {
  let count = 0;
  const buckets = bins.map((bin, index): MetricSample => {
    count += bin;
    const bound = bounds[index];
    const le = bound === undefined ? '+Inf' : String(seconds(bound));
    return { labels: { ...labels, le }, value: count, suffix: '_bucket' };
  });
  return [
    ...buckets,
    { labels, value: seconds(sum), suffix: '_sum' },
    { labels, value: count, suffix: '_count' },
  ];
}
