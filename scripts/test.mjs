// Setup, build, checks, tests. Arguments go to jest.
import { setupAndBuild } from './build.mjs';
import { failedChecks } from './lib/checks.mjs';
import { runJest } from './lib/jest.mjs';
import { log, main } from './lib/project.mjs';

await main(import.meta, async (argv) => {
  await setupAndBuild({ tests: true });
  const failed = await failedChecks();
  const { code, totals } = await runJest(argv);
  if (failed.length > 0) log('test', `failed checks: ${failed.join(', ')}`);
  if (totals) process.stdout.write(`${totals}\n`);
  return failed.length > 0 ? 1 : code;
});
