// The short form of `npm run fuzz:nbd`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from '../support/random.js';

test('nbd: 20,000 streams of bytes, whole and broken, leave the server as it was, on both engines', () => {
  const seed = chooseSeed();
  const program = join(__dirname, '../../scripts/fuzz-nbd.mjs');
  const plain = process.env.BLOCK_BACKEND_PREBUILD === undefined ? ['--plain'] : [];
  const args = [program, '--built', ...plain, '--seed', String(seed), '--inputs', '20000'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`seed ${seed}: ${stderr}`);
  expect(stderr).toContain('nothing found');
}, 300_000);
