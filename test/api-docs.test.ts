// The reference is made of the comments in lib/: all that users can import has one.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('docs: docs/api.md lists what the package exports, and all of it is documented', () => {
  const program = join(__dirname, '../scripts/api-docs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [program, '--check'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, 'api-docs: docs/api.md is as lib/ says\n']);
});
