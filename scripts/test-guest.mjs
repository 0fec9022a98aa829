// Real guests, one in v86 on our disks and one in QEMU on an NBD export: minutes, so they are no part
// of `npm test`, which has the tests of the devices on stand-ins, and other clients.
// `npm run test:guest` or, of one only, `npm run test:guest -- nbd`
import { setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { main, UserError } from './lib/project.mjs';

const SUITES = { v86: 'test/v86/guest.test.ts', nbd: 'test/exports/nbd-guest.test.ts' };

await main(import.meta, async (names) => {
  const suites = (names.length > 0 ? names : Object.keys(SUITES)).map((name) => {
    if (Object.hasOwn(SUITES, name)) return SUITES[name];
    throw new UserError(`there is no guest '${name}': ${Object.keys(SUITES).join(', ')}`);
  });
  await setupAndBuild({ tests: true });
  const env = { BLOCK_BACKEND_TEST_GUEST: '1' };
  const { code, totals } = await runJest(['--runInBand', ...suites], { env });
  if (totals) process.stdout.write(`${totals}\n`);
  return code;
});
