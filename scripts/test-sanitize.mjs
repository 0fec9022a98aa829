// Runs the whole jest suite against an instrumented build: address or thread.
import { buildRoot, setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { inRoot, main, UserError } from './lib/project.mjs';
import { capture, which } from './lib/run.mjs';

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
};

await main(import.meta, async ([sanitize, ...args]) => {
  const mode = modes[sanitize];
  if (!mode) throw new UserError(`say which: ${Object.keys(modes).join(', ')}`);
  if (process.env.CXX && process.env.CXX !== 'g++') {
    throw new UserError('the instrumented runs preload libraries of g++: unset CXX');
  }
  await setupAndBuild({ tests: true, sanitize });
  const { code, totals } = await runJest(['--runInBand', ...args], {
    command: mode.command?.(),
    env: {
      BLOCK_BACKEND_PREBUILD: buildRoot(sanitize),
      BLOCK_BACKEND_SANITIZE: sanitize,
      ...mode.env(),
    },
  });
  if (totals) process.stdout.write(`${totals}\n`);
  return code;
});
