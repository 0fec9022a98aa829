// The short form of `npm run soak`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from './support/random.js';

const program = join(__dirname, '../scripts/soak.mjs');

/** Resolves to its exit code and all that it said. */
function soak(args: readonly string[]): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, '--built', ...args]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, said }));
  });
}

// Instrumented, everything takes long.
const runs = process.env.BLOCK_BACKEND_SANITIZE === undefined ? test : test.skip;

runs(
  'soak: I/O, limits, drains, changes, media, faults and workers at once lose and leave nothing',
  async () => {
    const seed = chooseSeed();
    const { code, said } = await soak(['--seed', String(seed), '--seconds', '6', '--round', '2']);
    if (code !== 0) throw new Error(`seed ${seed}: ${said}`);
    expect(said).toContain('nothing lost, nothing leaked, nothing stalled');
  },
  120_000,
);
