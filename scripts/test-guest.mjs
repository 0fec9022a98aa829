// A real guest in v86 on our disks: two minutes, so it is no part of `npm test`, which has the tests
// of the devices on stand-ins. `npm run test:guest`
import { setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { main } from './lib/project.mjs';

await main(import.meta, async () => {
  await setupAndBuild({ tests: true });
  const env = { BLOCK_BACKEND_TEST_GUEST: '1' };
  const { code, totals } = await runJest(['--runInBand', 'test/v86/guest.test.ts'], { env });
  if (totals) process.stdout.write(`${totals}\n`);
  return code;
});
