// The plain C loop that the benchmark measures against: that it does what it is compared for.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from '../support/blk';
import { describeWith, foreignEnv } from '../support/tools';

const root = join(__dirname, '../..');
const BLOCK = 4096;
const BLOCKS = 64;

interface Failed {
  readonly code: number;
  readonly stderr: string;
}

describeWith(['gcc'], 'limit', () => {
  let program = '';

  beforeAll(async () => {
    const code = `import { limitProgram } from './bench/lib/programs.mjs';
      process.stdout.write(await limitProgram());`;
    const args = ['--input-type=module', '-e', code];
    const options = { cwd: root, env: foreignEnv() };
    program = (await promisify(execFile)(process.execPath, args, options)).stdout;
  });

  const limit = (...args: string[]) => promisify(execFile)(program, args, { env: foreignEnv() });
  const failure = (...args: string[]): Promise<Failed> =>
    limit(...args).then(
      () => ({ code: 0, stderr: '' }),
      ({ code, stderr }: Failed) => ({ code, stderr }),
    );

  test('bench: the C loop reads for a time', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'image');
      writeFileSync(image, Buffer.alloc(BLOCKS * BLOCK, 'x'));
      const { stdout } = await limit('-d', '8', '-t', '0.1', image);
      const result = JSON.parse(stdout) as Record<string, number>;
      const { requests = 0, bytes, seconds = 0, iops, cpu_us_per_io: cpu, latency_us } = result;
      expect(requests).toBeGreaterThan(0);
      expect(bytes).toBe(requests * BLOCK);
      expect(seconds).toBeGreaterThanOrEqual(0.1);
      expect(iops).toBeCloseTo(requests / seconds, -3);
      expect(cpu).toBeGreaterThan(0);
      expect(latency_us).toBeGreaterThan(0);
      expect(readFileSync(image).equals(Buffer.alloc(BLOCKS * BLOCK, 'x'))).toBe(true);
    });
  });

  test('bench: the C loop writes every block in order, and no more than it was told to', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'image');
      writeFileSync(image, Buffer.alloc(BLOCKS * BLOCK, 'x'));
      const { stdout } = await limit('-w', '-s', '-n', '16', '-d', '4', image);
      const { requests } = JSON.parse(stdout) as { requests: number };
      // It looks every 16 requests, and what is under way is finished.
      expect(requests).toBeGreaterThanOrEqual(16);
      expect(requests).toBeLessThanOrEqual(24);
      const after = readFileSync(image);
      expect(after.subarray(0, requests * BLOCK).every((byte) => byte === 0x5a)).toBe(true);
      expect(after.subarray(requests * BLOCK).every((byte) => byte === 0x78)).toBe(true);
    });
  });

  test('bench: the C loop refuses what makes no sense', async () => {
    for (const args of [[], ['-d', '257', 'x'], ['-d', 'many', 'x'], ['-z', 'x'], ['a', 'b']]) {
      const { code, stderr } = await failure(...args);
      expect({ args, code, stderr }).toMatchObject({ code: 2 });
      expect(stderr).toContain('usage: limit');
    }
    const absent = await failure('/absent');
    expect(absent).toEqual({ code: 1, stderr: 'limit: /absent: No such file or directory\n' });
  });
});
