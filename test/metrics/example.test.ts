// The example that serves metrics, as users run it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { withFolder } from '../support/blk';
import { parseMetrics } from '../support/prometheus-parser';

const root = join(__dirname, '../..');

/** The first line that it prints, which says where it listens. */
async function address(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) return line;
  throw new Error('it ended without a line');
}

interface Fetched {
  readonly throttled: number;
  readonly reads: number;
}

async function fetchMetrics(url: string): Promise<Fetched> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const families = parseMetrics(await response.text());
  const value = (name: string, label: string, is: string): number => {
    const samples = families.get(name)?.samples ?? [];
    return samples.find(({ labels }) => labels[label] === is)?.value ?? Number.NaN;
  };
  return {
    throttled: value('block_throttle_member_throttled_requests_total', 'direction', 'read'),
    reads: value('block_backend_operations_total', 'type', 'read'),
  };
}

async function withExample(body: (url: string) => Promise<void>): Promise<unknown[]> {
  return withFolder(async (folder) => {
    const image = join(folder, 'disk.img');
    writeFileSync(image, Buffer.alloc(1 << 20));
    const child = spawn(process.execPath, ['examples/metrics.mjs', image, '0'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const ended = once(child, 'close');
    try {
      await body(await address(child));
      child.kill('SIGTERM');
      return [...(await ended), stderr];
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
}

test('metrics: the example serves the statistics of a throttled disk, and stops when told to', async () => {
  const ending = await withExample(async (url) => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    let seen = await fetchMetrics(url);
    while (seen.throttled < 5) seen = await fetchMetrics(url);
    expect(seen.reads).toBeGreaterThan(0);
    expect((await fetch(url.replace('metrics', 'other'))).status).toBe(404);
  });
  expect(ending).toEqual([0, null, '']);
});
