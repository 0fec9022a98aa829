import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { foreignEnv } from './support/tools.js';

test('behaviours: docs/behaviours.md says of every item what the titles of the tests say', () => {
  const script = join(__dirname, '../scripts/behaviours.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    env: foreignEnv(),
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
