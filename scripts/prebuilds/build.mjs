// Compiles the addon for one target and puts it where node-gyp-build looks.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { inRoot, log, tools } from '../lib/project.mjs';
import { mustRun, mustRunNode } from '../lib/run.mjs';
import { ensureSysroot } from './sysroot.mjs';

function copyDoctest(sysroot) {
  const folder = join(sysroot, 'doctest/doctest');
  mkdirSync(folder, { recursive: true });
  copyFileSync('/usr/include/doctest/doctest.h', join(folder, 'doctest.h'));
}

/** With `tests`, the native test binary is compiled beside it. */
export async function buildTarget(target, { tests = false } = {}) {
  const { cxx, strip, sysroot } = await ensureSysroot(target);
  log('prebuilds', `${target.id}: compiling`);
  const out = join(target.folder, 'build');
  // With a cache, cmake-js takes no notice of what it is told now.
  rmSync(join(out, 'CMakeCache.txt'), { force: true });
  const args = ['build', '--log-level', 'warn', '--out', out, '--arch', target.arch];
  args.push('--prefer-make', '--parallel', String(availableParallelism()));
  const variables = {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: target.machine,
    CMAKE_CXX_COMPILER: cxx,
    NODE_EXECUTABLE: process.execPath,
    LIBURING_STATIC: join(sysroot, 'usr/lib/liburing.a'),
    LIBURING_INCLUDE_DIR: join(sysroot, 'usr/include'),
    SANITIZE: '',
    // `npm test` is strict, with the libraries that it knows; musl declares some things otherwise.
    WARNINGS_AS_ERRORS: target.libc === 'musl' ? 'OFF' : 'ON',
    OLDEST_GLIBC: target.libc === 'glibc' ? 'ON' : 'OFF',
    // A header-only library, but its folder has glibc's headers too.
    DOCTEST_INCLUDE_DIR: join(sysroot, 'doctest'),
  };
  for (const [name, value] of Object.entries(variables)) args.push(`--CD${name}=${value}`);
  if (tests) copyDoctest(sysroot);
  const cmakeJs = (name) =>
    mustRunNode(`the build of ${target.id}`, tools.cmakeJs, [...args, '--target', name]);
  // Linked anew: make does not look at the libraries of the sysroot.
  const built = join(out, 'Release/block_backend.node');
  rmSync(built, { force: true });
  await cmakeJs('block_backend');
  if (tests) await cmakeJs('block_backend_test');
  mkdirSync(dirname(target.file), { recursive: true });
  rmSync(target.file, { force: true });
  await mustRun('strip', strip, ['--strip-all', '-o', target.file, built]);
}

export const testBinary = (target) => join(target.folder, 'build/Release/block_backend_test');

export const removePrebuilds = () => rmSync(inRoot('prebuilds'), { recursive: true, force: true });
