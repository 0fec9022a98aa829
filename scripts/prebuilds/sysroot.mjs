// What a binary is linked with beside Node: liburing, which is small and has no ABI to agree on, and for
// musl the C library and a static C++ library. Debian has musl but no C++ library for it, and a musl
// system need not have any, so that LLVM's goes into the binary.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { debianSource } from '../lib/debian-source.mjs';
import { mustRunLogged } from '../lib/logged.mjs';
import { inRoot, log } from '../lib/project.mjs';
import { capture, which } from '../lib/run.mjs';
import { fingerprint, readStamp, writeStamp } from '../lib/stale.mjs';
import { LLVM } from './targets.mjs';

const sources = inRoot('cross/sources');
const jobs = `-j${availableParallelism()}`;

const logOf = (target) => join(target.folder, 'libraries.log');

/** A fresh copy of a source package: all three build in their own tree. */
async function copyOfSource(name, target) {
  const source = await debianSource(name, sources);
  const copy = join(target.folder, name);
  rmSync(copy, { recursive: true, force: true });
  cpSync(source, copy, { recursive: true });
  return copy;
}

/** The C and C++ compilers of a target, and its binutils. */
export function compilersOf(target) {
  const sysroot = join(target.folder, 'sysroot');
  const strip = which(`${target.gnu}-strip`);
  return target.libc === 'musl'
    ? { sysroot, strip, cc: join(sysroot, 'bin/clang'), cxx: join(sysroot, 'bin/clang++') }
    : { sysroot, strip, cc: `${target.gnu}-gcc`, cxx: `${target.gnu}-g++` };
}

/**
 * GCC's start files and its helpers for what the machine lacks know nothing of a C library, but beside
 * them lie glibc's headers and libraries, where clang would look.
 */
function copyGccParts(target, sysroot) {
  const from = dirname(capture(`${target.gnu}-gcc`, ['-print-libgcc-file-name']));
  const to = join(sysroot, 'usr/lib/gcc', `${target.machine}-linux-musl`, basename(from));
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from).filter((file) => /^(crt.*\.o|libgcc\.a)$/.test(file))) {
    cpSync(join(from, name), join(to, name));
  }
  return to;
}

/** clang with all that it must be told, as programs that CMake and configure call like any other. */
function writeClang(target, { sysroot, cc, cxx }) {
  const flags = [
    `--target=${target.machine}-linux-musl`,
    `--sysroot=${sysroot}`,
    `--gcc-install-dir=${copyGccParts(target, sysroot)}`,
    `-fuse-ld=lld-${LLVM}`,
    // It is in the C++ library; GCC's is for glibc.
    '--unwindlib=none',
    // Its run-time check of the machine's atomics is a function of glibc's.
    ...(target.arch === 'arm64' ? ['-mno-outline-atomics'] : []),
  ];
  const wrap = (file, program, ...more) => {
    writeFileSync(file, `#!/bin/sh\nexec ${[program, ...flags, ...more].join(' ')} "$@"\n`);
    chmodSync(file, 0o755);
  };
  mkdirSync(join(sysroot, 'bin'), { recursive: true });
  wrap(cc, `clang-${LLVM}`, '-Wno-unused-command-line-argument');
  const headers = join(sysroot, 'usr/include/c++/v1');
  wrap(
    cxx,
    `clang++-${LLVM}`,
    '-Wno-unused-command-line-argument',
    '-stdlib=libc++',
    // Not there yet when the library itself is compiled.
    ...['-nostdinc++', '-isystem', headers],
  );
}

async function buildMusl(target, { sysroot }) {
  const file = logOf(target);
  const source = await copyOfSource('musl', target);
  const machine = `${target.machine}-linux-musl`;
  const configure = [`--target=${machine}`, '--prefix=/usr', '--syslibdir=/lib', 'CFLAGS=-Os -w'];
  configure.push(`CC=${target.gnu}-gcc`);
  // The name that Alpine gave it. glibc's systems have no such file, so that a wrong choice is told.
  configure.push(`LDFLAGS=-Wl,-soname,libc.musl-${target.machine}.so.1`);
  await mustRunLogged("musl's configure", './configure', configure, { cwd: source, file });
  const make = [jobs, `AR=${target.gnu}-ar`, `RANLIB=${target.gnu}-ranlib`];
  await mustRunLogged('the build of musl', 'make', make, { cwd: source, file });
  const install = [...make, `DESTDIR=${sysroot}`, 'install'];
  await mustRunLogged('the installation of musl', 'make', install, { cwd: source, file });
  copyKernelHeaders(target, sysroot);
}

function copyKernelHeaders(target, sysroot) {
  const cross = join('/usr', target.gnu, 'include');
  const isCross = existsSync(join(cross, 'linux'));
  const include = isCross ? cross : '/usr/include';
  const asm = isCross ? join(cross, 'asm') : join(include, target.gnu, 'asm');
  const to = join(sysroot, 'usr/include');
  for (const name of ['linux', 'asm-generic']) {
    cpSync(join(include, name), join(to, name), { recursive: true });
  }
  cpSync(asm, join(to, 'asm'), { recursive: true, dereference: true });
}

async function buildCxxLibrary(target, { sysroot, cc, cxx }) {
  const file = logOf(target);
  const parts = ['libcxx', 'libcxxabi', 'libunwind'];
  const members = [...parts, 'runtimes', 'cmake'].map((name) => `*/${name}/*`);
  const source = await debianSource(`llvm-toolchain-${LLVM}`, sources, members);
  const build = join(target.folder, 'libcxx');
  rmSync(build, { recursive: true, force: true });
  const on = (...names) => names.map((name) => `-D${name}=ON`);
  const off = (...names) => names.map((name) => `-D${name}=OFF`);
  const options = [
    '-DCMAKE_BUILD_TYPE=Release',
    '-DCMAKE_SYSTEM_NAME=Linux',
    `-DCMAKE_SYSTEM_PROCESSOR=${target.machine}`,
    `-DCMAKE_C_COMPILER=${cc}`,
    `-DCMAKE_CXX_COMPILER=${cxx}`,
    `-DCMAKE_INSTALL_PREFIX=${join(sysroot, 'usr')}`,
    // There is no C++ library to link a test program with.
    '-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY',
    `-DLLVM_ENABLE_RUNTIMES=${parts.join(';')}`,
    '-DLIBCXX_CXX_ABI=libcxxabi',
    ...on('CMAKE_POSITION_INDEPENDENT_CODE', 'LIBCXX_HAS_MUSL_LIBC'),
    // Whether glibc's is there is asked by a program that is never linked.
    ...off('LIBCXXABI_HAS_CXA_THREAD_ATEXIT_IMPL'),
    ...off('LIBCXX_ENABLE_SHARED', 'LIBCXXABI_ENABLE_SHARED', 'LIBUNWIND_ENABLE_SHARED'),
    // One archive, none of whose symbols leave the binary that it goes into.
    ...on('LIBCXX_HERMETIC_STATIC_LIBRARY', 'LIBCXXABI_HERMETIC_STATIC_LIBRARY'),
    ...on('LIBUNWIND_HIDE_SYMBOLS', 'LIBCXX_ENABLE_STATIC_ABI_LIBRARY'),
    ...on('LIBCXXABI_USE_LLVM_UNWINDER', 'LIBCXXABI_ENABLE_STATIC_UNWINDER'),
    ...off('LIBCXX_INCLUDE_TESTS', 'LIBCXXABI_INCLUDE_TESTS', 'LIBUNWIND_INCLUDE_TESTS'),
    ...off('LIBCXX_INCLUDE_BENCHMARKS', 'LIBCXX_INCLUDE_DOCS', 'LLVM_INCLUDE_TESTS'),
  ];
  const runtimes = join(source, 'runtimes');
  const configure = ['-G', 'Ninja', '-S', runtimes, '-B', build, ...options];
  await mustRunLogged("libc++'s cmake", 'cmake', configure, { file });
  await mustRunLogged('the build of libc++', 'ninja', ['-C', build, 'install'], { file });
}

async function buildLiburing(target, { sysroot, cc, cxx }) {
  const file = logOf(target);
  const source = await copyOfSource('liburing', target);
  // It has no DESTDIR: what it is told here is where it goes.
  const configure = [`--prefix=${join(sysroot, 'usr')}`, `--cc=${cc}`, `--cxx=${cxx}`];
  await mustRunLogged("liburing's configure", './configure', configure, { cwd: source, file });
  const make = ['-C', 'src', jobs, 'ENABLE_SHARED=0', 'CFLAGS=-O2 -fPIC'];
  make.push(`AR=${target.gnu}-ar`, `RANLIB=${target.gnu}-ranlib`, 'install');
  await mustRunLogged('the build of liburing', 'make', make, { cwd: source, file });
}

/** Builds what is not there yet and returns the target's compilers. */
export async function ensureSysroot(target) {
  const compilers = compilersOf(target);
  const stampFile = join(compilers.sysroot, 'stamp.json');
  const made = fingerprint([inRoot('scripts/prebuilds/sysroot.mjs'), which(`${target.gnu}-gcc`)]);
  if (readStamp(stampFile).made === made) return compilers;
  log('prebuilds', `${target.id}: libraries into ${target.folder}`);
  rmSync(compilers.sysroot, { recursive: true, force: true });
  mkdirSync(sources, { recursive: true });
  mkdirSync(target.folder, { recursive: true });
  rmSync(logOf(target), { force: true });
  if (target.libc === 'musl') {
    await buildMusl(target, compilers);
    writeClang(target, compilers);
    await buildCxxLibrary(target, compilers);
  }
  await buildLiburing(target, compilers);
  writeStamp(stampFile, { made });
  return compilers;
}
