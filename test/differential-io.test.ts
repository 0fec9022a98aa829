// The short forms of `npm run differential:io` and `npm run fuzz:io`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from './support/random.js';
import { describeWith } from './support/tools.js';

function run(script: string, ...options: string[]): string {
  const seed = chooseSeed();
  const args = [
    join(__dirname, '../scripts', script),
    '--built',
    '--seed',
    String(seed),
    ...options,
  ];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`seed ${seed}: ${stderr}`);
  return stderr;
}

describeWith(['qemu-io'], 'differential:io', () => {
  test('io: 60 command lines say and do what they do in qemu-io', () => {
    expect(run('differential-io.mjs', '--lines', '60', '--processes', '6')).toContain(
      '0 different',
    );
  }, 300_000);
});

test('io: 20,000 random command lines are read without harm', () => {
  expect(run('fuzz-io.mjs', '--inputs', '20000')).toContain('nothing found');
}, 300_000);
