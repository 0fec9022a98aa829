// The sides of `npm run bench`, on a small file and briefly: that they measure, not what.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './support/blk';
import { describeWith, foreignEnv } from './support/tools';

const MIB = 1024 ** 2;

function runSide(name: string, settings: object, env = process.env): Promise<unknown> {
  return withFolder(async (folder) => {
    const image = join(folder, 'image.raw');
    writeFileSync(image, Buffer.alloc(4 * MIB, 'x'));
    const script = join(__dirname, `../bench/sides/${name}.mjs`);
    const all = { image, blocks: 1024, seconds: 0.1, ...settings };
    const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(all)], {
      env,
    });
    return JSON.parse(stdout);
  });
}

function positive(result: unknown): void {
  expect((result as { iops: number }).iops).toBeGreaterThan(0);
}

describe('npm run bench', () => {
  test.each(['block-backend', 'fs-promises'])('bench: the side %s counts reads', async (name) => {
    positive(await runSide(name, { depth: 4 }));
  });

  test.each([0, 1, 256])('bench: timers are measured at depth %d', async (depth) => {
    expect(await runSide('lateness', { depth })).toMatchObject({
      p99: expect.any(Number),
      ticks: expect.any(Number),
    });
  });
});

describe('npm run bench:graph', () => {
  test('bench: what a disk costs beside others is measured', async () => {
    const script = join(__dirname, '../bench/graph-scale.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--quick', '--json']);
    const { rows } = JSON.parse(stdout) as { rows: { name: string; value?: number }[] };
    expect(rows.map(({ name }) => name)).toEqual(['open', 'change permissions', 'close']);
    expect(rows[0]?.value).toBeGreaterThan(0);
  });
});

describe('npm run bench:cost', () => {
  test('bench: what limits and accounting cost is measured', async () => {
    const script = join(__dirname, '../bench/throttle-cost.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--quick', '--json']);
    const { rows } = JSON.parse(stdout) as { rows: { name: string; value: number }[] };
    expect(rows.map(({ name }) => name)).toEqual([
      'neither',
      'limits',
      'accounting',
      'limits and accounting',
    ]);
    for (const { value } of rows) expect(value).toBeGreaterThan(0);
  });
});

describeWith(['qemu-img'], 'npm run bench with qemu-img', () => {
  test('bench: the side qemu-img counts reads', async () => {
    positive(await runSide('qemu-img', { depth: 4 }, foreignEnv()));
  });
});
