export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which that share of all samples lies. */
export function percentile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}

/**
 * How probable it is that the median lies between the k-th values from both ends, counted from 0: each
 * value lies above it or below, as a coin falls.
 */
function coverage(count, k) {
  let ways = 1;
  let below = 1;
  for (let i = 1; i <= k; i += 1) {
    ways = (ways * (count - i + 1)) / i;
    below += ways;
  }
  return 1 - 2 * below * 0.5 ** count;
}

/**
 * A confidence interval of the median that assumes nothing of the distribution: the narrowest pair of
 * order statistics that covers it with the wanted probability. Fewer than 6 values have no such pair
 * for 95 %; the whole range is given then. `confidence` is what the pair really has.
 */
export function medianInterval(values, wanted = 0.95) {
  const sorted = [...values].sort((a, b) => a - b);
  let k = 0;
  while (2 * (k + 1) < sorted.length - 1 && coverage(sorted.length, k + 1) >= wanted) k += 1;
  return {
    low: sorted[k],
    high: sorted[sorted.length - 1 - k],
    confidence: Math.max(0, coverage(sorted.length, k)),
  };
}
