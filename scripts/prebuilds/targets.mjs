// What is published, as data.
import { inRoot } from '../lib/project.mjs';

/** The oldest system with glibc that the binaries run on is Debian 11; these are its versions. */
export const oldestGlibc = { GLIBC: '2.31', GLIBCXX: '3.4.28', CXXABI: '1.3.12' };

const machines = {
  x64: { machine: 'x86_64', elf: 'Advanced Micro Devices X86-64', debian: 'amd64' },
  arm64: { machine: 'aarch64', elf: 'AArch64', debian: 'arm64' },
};

function target(arch, libc) {
  const id = `linux-${arch}-${libc}`;
  const { machine } = machines[arch];
  return {
    id,
    arch,
    libc,
    ...machines[arch],
    /** Debian's name of its compilers for the machine, also where it is the machine itself. */
    gnu: `${machine}-linux-gnu`,
    folder: inRoot('cross', id),
    // The name is what node-gyp-build chooses by.
    file: inRoot('prebuilds', `linux-${arch}`, `block-backend.napi.${libc}.node`),
    /** The libraries it may need: those that every Node for this platform needs itself. */
    libraries:
      libc === 'musl'
        ? [`libc.musl-${machine}.so.1`]
        : [
            'libc.so.6',
            'libgcc_s.so.1',
            'libm.so.6',
            'libpthread.so.0',
            'libstdc++.so.6',
            ...(arch === 'x64' ? ['ld-linux-x86-64.so.2'] : ['ld-linux-aarch64.so.1']),
          ],
  };
}

export const targets = [
  target('x64', 'glibc'),
  target('arm64', 'glibc'),
  target('x64', 'musl'),
  target('arm64', 'musl'),
];

/** The clang that compiles for musl, and the version of its C++ library. */
export const LLVM = 19;
