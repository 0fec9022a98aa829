// The short form of `npm run differential:qmp`: the same commands here and in the genuine programs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chooseSeed } from '../support/random.js';
import { describeWith } from '../support/tools.js';

const program = join(__dirname, '../../scripts/differential-qmp.mjs');

describe.each([
  ['storage', 'qemu-storage-daemon', 60],
  ['machine', 'qemu-system-x86_64', 20],
])('QMP, %s', (kind, tool, scripts) => {
  describeWith([tool], 'transcripts', () => {
    test(`transcripts: ${scripts} scripts are answered as ${tool} answers them`, () => {
      const seed = chooseSeed();
      const args = [program, '--built', '--kind', kind, '--seed', String(seed)];
      const { status, stderr } = spawnSync(
        process.execPath,
        [...args, '--scripts', String(scripts)],
        {
          encoding: 'utf8',
        },
      );
      if (status !== 0) throw new Error(`seed ${seed}: ${stderr}`);
      expect(stderr).toContain(`${scripts} scripts were compared`);
      expect(stderr).toContain('no difference');
    }, 300_000);
  });
});
