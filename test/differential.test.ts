// The short form of `npm run differential`: the same seeded requests here and in qemu-io.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from './support/random.js';
import { describeWith } from './support/tools.js';

const program = join(__dirname, '../scripts/differential.mjs');

describeWith(['qemu-io', 'qemu-img', 'dd'], 'differential', () => {
  test('differential: every setup, engine and home leaves and answers what qemu-io does', () => {
    const seed = chooseSeed();
    const args = [program, '--built', '--seed', String(seed), '--requests', '100'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`seed ${seed}: ${stderr}`);
    expect(stderr.match(/: the same \(/g)?.length).toBeGreaterThanOrEqual(24);
    expect(stderr).toContain('no difference');
  }, 300_000);
});
