// Brings in what building and testing need: Debian packages and node_modules.
import { existsSync, utimesSync } from 'node:fs';
import { canInstall, install } from './lib/apt.mjs';
import { firstExisting, inRoot, log, main, nodeIncludeDir, UserError } from './lib/project.mjs';
import { capture, run, which } from './lib/run.mjs';
import { mtime, readStamp, writeStamp } from './lib/stale.mjs';

const includeDirs = [
  ...(process.env.CPATH ?? '').split(':').filter(Boolean),
  '/usr/local/include',
  '/usr/include',
];
const hasHeader = (name, ...first) =>
  Boolean(firstExisting([...first, ...includeDirs].map((folder) => `${folder}/${name}`)));
// The compiler prints the bare name again when it does not find the library.
const hasLibrary = (name) =>
  capture(which('g++') ?? 'c++', [`-print-file-name=${name}`])?.startsWith('/') ?? false;

// Debian's python3 has what its packages bring, whichever comes first in the path.
const hasPythonModule = (name) =>
  ['python3', '/usr/bin/python3'].some(
    (python) => capture(python, ['-c', `import ${name}`]) !== undefined,
  );

const program = (name, debian = name) => ({ name, debian, present: () => Boolean(which(name)) });

const toBuild = [
  program('g++'),
  program('cmake'),
  program('make'),
  program('python3'),
  { name: 'liburing.a', debian: 'liburing-dev', present: () => hasLibrary('liburing.a') },
  { name: 'uv.h', debian: 'libuv1-dev', present: () => hasHeader('uv.h', nodeIncludeDir) },
];
const toTest = [
  {
    name: 'doctest/doctest.h',
    debian: 'doctest-dev',
    present: () => hasHeader('doctest/doctest.h'),
  },
];
/** Tests that need one of these skip without it. */
const optional = [
  program('qemu-img', 'qemu-utils'),
  program('qemu-storage-daemon', 'qemu-system-common'),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('nbdcopy', 'libnbd-bin'),
  { name: "Python's nbd", debian: 'python3-libnbd', present: () => hasPythonModule('nbd') },
  program('fio'),
  program('strace'),
];

const missingOf = (needs) => needs.filter((need) => !need.present());
const namesOf = (needs) => needs.map((need) => need.debian).join(' ');

/** The Debian package of a compiler: clang++-19 is in clang-19. */
const compilerPackage = (name) => name.replace(/^clang\+\+/, 'clang');

async function ensureRequired(needs) {
  const missing = missingOf(needs);
  if (missing.length === 0) return;
  if (canInstall()) {
    log('setup', `installing ${namesOf(missing)}`);
    await install(missing.map((need) => need.debian));
  }
  const still = missingOf(needs);
  if (still.length > 0) {
    const names = still.map((need) => need.name).join(', ');
    throw new UserError(
      `not found: ${names}; install them first (on Debian: sudo apt-get install ${namesOf(still)}).`,
    );
  }
}

async function ensureOptional() {
  const missing = missingOf(optional);
  if (missing.length === 0) return;
  // Without a network every attempt costs seconds, so a failed one is not repeated for a day.
  const stamp = inRoot('node_modules/.cache/block-backend/optional-packages.json');
  const wanted = namesOf(missing);
  const last = readStamp(stamp);
  if (last.failed === wanted && Date.now() - mtime(stamp) < 86_400_000) return;
  if (canInstall()) log('setup', `installing ${wanted} for the tests`);
  if (!(await install(missing.map((need) => need.debian)))) {
    log('setup', `could not install ${wanted}; the tests that need them are skipped`);
    writeStamp(stamp, { failed: wanted });
  }
}

async function ensureNodeModules() {
  // npm writes this file at the end of every installation.
  const installed = inRoot('node_modules/.package-lock.json');
  if (existsSync(installed) && mtime(installed) >= mtime(inRoot('package-lock.json'))) return;
  log('setup', 'installing npm packages');
  // No package needs its install script, and newer npm versions block them anyway.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const code = await run('npm', ['ci', '--include=dev', '--ignore-scripts', ...quiet]);
  if (code !== 0) throw new UserError(`npm ci failed (exit code ${code})`);
  const now = new Date();
  utimesSync(installed, now, now);
}

/** `tests` adds what only the tests need; `compiler` is a compiler other than g++. */
export async function setup({ tests = false, compiler } = {}) {
  const needs = [...toBuild];
  if (tests) needs.push(...toTest);
  if (compiler) needs.push(program(compiler, compilerPackage(compiler)));
  await ensureRequired(needs);
  await ensureNodeModules();
  if (tests) await ensureOptional();
}

await main(import.meta, async () => {
  await setup({ tests: true, compiler: process.env.CXX });
  log('setup', 'everything is in place');
});
