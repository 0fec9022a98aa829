// All statistics of an environment, for Prometheus to fetch.

import type { Metric, Registry } from 'prom-client';
import { backendFamilies, sampleBackends } from './backends.js';
import type { MetricFamily } from './family.js';
import { sampleThrottling, throttleFamilies } from './throttling.js';

/** What an HTTP server says of {@link metrics}: the text form of Prometheus. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Statistics, throttling and queues of all backends of this environment as of the call, in the text
 * form of Prometheus. Times are seconds, sizes bytes. Names are listed in docs/statistics.md.
 *
 * Requests do not notice: counters are copied while they change, and where somebody is throttled
 * its event loop is asked once. The client library is loaded by the first call.
 */
export async function metrics(): Promise<string> {
  const families = [
    ...backendFamilies(sampleBackends()),
    ...throttleFamilies(sampleThrottling()),
  ].filter(({ samples }) => samples.length > 0);
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const family of families) register(registry, family);
  return registry.metrics();
}

/**
 * The library's own kinds of metrics count by themselves, and its histograms only one by one; ours
 * are counted already. So what it is given is what it asks of a metric when it writes it down.
 */
function register(registry: Registry, { name, help, type, samples }: MetricFamily): void {
  const values = samples.map(({ labels, value, suffix = '' }) => ({
    labels,
    value,
    metricName: `${name}${suffix}`,
  }));
  const metric = { name, help, type, get: () => Promise.resolve({ name, help, type, values }) };
  registry.registerMetric(metric as unknown as Metric);
}
