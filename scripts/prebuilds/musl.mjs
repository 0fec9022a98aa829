// No node for musl can be had as a package, so that here a program stands in for it: it has the names
// of Node's functions and lets musl's own loader resolve everything at once. The tests of native/ run on
// musl for real (`--tests`); on Alpine, the workflow installs the package and does I/O.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../lib/project.mjs';
import { mustRun, which } from '../lib/run.mjs';
import { testBinary } from './build.mjs';
import { nodeSymbolsOf } from './inspect.mjs';
import { compilersOf } from './sysroot.mjs';

const MAIN = `#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char** argv) {
  void* addon = argc == 2 ? dlopen(argv[1], RTLD_NOW) : 0;
  if (!addon || !dlsym(addon, "napi_register_module_v1")) {
    fprintf(stderr, "%s\\n", dlerror());
    return 1;
  }
  return 0;
}
`;

/** How a program for the target's musl is started here, or undefined. */
function starter(target) {
  const loader = join(compilersOf(target).sysroot, 'usr/lib/libc.so');
  if (target.arch === process.arch) return [loader];
  const qemu = which(`qemu-${target.machine}-static`);
  return qemu ? [qemu, loader] : undefined;
}

async function buildStandIn(target) {
  const { cc } = compilersOf(target);
  const source = join(target.folder, 'stand-in.c');
  const stubs = nodeSymbolsOf(target.file).map((name) => `int ${name}(void) { return 9; }\n`);
  writeFileSync(source, stubs.join('') + MAIN);
  const program = join(target.folder, 'stand-in');
  const flags = ['-rdynamic', '-w', '-fno-builtin', source, '-o', program];
  await mustRun('the stand-in for node', cc, flags);
  return program;
}

export async function loadOnMusl(target, { tests = false } = {}) {
  const start = starter(target);
  if (!start) {
    log(
      'prebuilds',
      `${target.id}: not loaded, no qemu-${target.machine}-static (qemu-user-static)`,
    );
    return;
  }
  const [command, ...args] = start;
  const standIn = await buildStandIn(target);
  await mustRun(`loading ${target.file}`, command, [...args, standIn, target.file]);
  log('prebuilds', `${target.id}: musl's loader resolves all of it`);
  if (tests) await mustRun(`${target.id}: native tests`, command, [...args, testBinary(target)]);
}
