// The page about the monitor is made from the table of commands.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('docs: docs/qmp.md is as the table of commands says', () => {
  const program = join(__dirname, '../../scripts/qmp-docs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [program, '--check'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, expect.stringContaining('as the table says')]);
});
