// Runs the whole jest suite against an instrumented build: address, thread or coverage.
import { buildRoot, setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { inRoot, log, main, UserError } from './lib/project.mjs';
import { capture, run, which } from './lib/run.mjs';

const suppressions = (name) => `suppressions=${inRoot('scripts/sanitizers', name)}`;

// Node itself is not instrumented, so the run-time library must come before everything else.
const preload = (library) => ({ LD_PRELOAD: capture('g++', [`-print-file-name=${library}`]) });

const modes = {
  address: {
    env: () => ({
      ...preload('libasan.so'),
      LSAN_OPTIONS: suppressions('lsan.supp'),
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    }),
  },
  thread: {
    env: () => ({ ...preload('libtsan.so'), TSAN_OPTIONS: suppressions('tsan.supp') }),
    // Its shadow memory does not fit the address layouts that newer kernels randomise.
    command: () =>
      which('setarch') && capture('setarch', ['-R', 'true']) !== undefined
        ? ['setarch', '-R', process.execPath]
        : [process.execPath],
  },
  coverage: { env: () => ({}), args: ['--coverage'], report: reportCoverage },
};

/** The C++ half of the coverage report. */
async function reportCoverage() {
  if (!which('gcovr')) {
    log('coverage', 'gcovr not found (Debian package gcovr), so only lib/ is reported');
    return 0;
  }
  return run('gcovr', [
    '--root',
    inRoot(),
    '--filter',
    'native/',
    '--exclude-throw-branches',
    inRoot('san/coverage'),
  ]);
}

await main(import.meta, async ([sanitize, ...args]) => {
  const mode = modes[sanitize];
  if (!mode) throw new UserError(`say which: ${Object.keys(modes).join(', ')}`);
  if (process.env.CXX && process.env.CXX !== 'g++') {
    throw new UserError('the instrumented runs preload libraries of g++: unset CXX');
  }
  await setupAndBuild({ tests: true, sanitize });
  const { code, totals } = await runJest(['--runInBand', ...(mode.args ?? []), ...args], {
    command: mode.command?.(),
    env: {
      BLOCK_BACKEND_PREBUILD: buildRoot(sanitize),
      BLOCK_BACKEND_SANITIZE: sanitize,
      ...mode.env(),
    },
  });
  const reported = (await mode.report?.()) ?? 0;
  if (totals) process.stdout.write(`${totals}\n`);
  return code || reported;
});
