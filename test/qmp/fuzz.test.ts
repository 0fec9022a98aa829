// The short form of `npm run fuzz:qmp`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from '../support/random.js';

test('fuzz: bytes of every kind leave a monitor and the option parsers as they were', () => {
  const seed = chooseSeed();
  const program = join(__dirname, '../../scripts/fuzz-qmp.mjs');
  const args = [program, '--built', '--seed', String(seed), '--inputs', '5000'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`seed ${seed}: ${stderr}`);
  expect(stderr).toContain('nothing found');
}, 120_000);
