// Runs the checks that need no test run.
import { failedChecks } from './lib/checks.mjs';
import { log, main } from './lib/project.mjs';
import { setup } from './setup.mjs';

await main(import.meta, async () => {
  await setup();
  const failed = await failedChecks();
  log('lint', failed.length > 0 ? `failed: ${failed.join(', ')}` : 'clean');
  return failed.length > 0 ? 1 : 0;
});
