import { LatencyHistogram } from '../../lib/accounting/latency-histogram';

describe('latency-histogram', () => {
  test('latency-histogram: small values are exact', () => {
    const histogram = new LatencyHistogram();
    for (let value = 1; value <= 20; value += 1) histogram.add(value);
    // Rank ceil(0.5 * 20) = 10 and ceil(0.99 * 20) = 20.
    expect(histogram.percentile(0.5)).toBe(10);
    expect(histogram.percentile(0.99)).toBe(20);
    expect([histogram.count, histogram.max]).toEqual([20, 20]);
  });

  test('latency-histogram: a percentile is at most 1/32 above the true one, at every magnitude', () => {
    for (let exponent = 0; exponent <= 52; exponent += 1) {
      for (const value of [2 ** exponent, 2 ** exponent + 1, 2 ** (exponent + 1) - 1]) {
        const histogram = new LatencyHistogram();
        histogram.add(value);
        histogram.add(Number.MAX_SAFE_INTEGER);
        const p50 = histogram.percentile(0.5);
        expect(p50).toBeGreaterThanOrEqual(value);
        expect(p50).toBeLessThanOrEqual(value * (1 + 1 / 32));
      }
    }
  });

  test('latency-histogram: no percentile exceeds the maximum, and an empty one is 0', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.percentile(0.5), histogram.max]).toEqual([0, 0]);
    histogram.add(-5);
    expect(histogram.percentile(0.99)).toBe(0);
    histogram.add(1000.4);
    expect(histogram.percentile(0.99)).toBe(1000);
  });
});
