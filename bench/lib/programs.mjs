// The C programs of the benchmark, built when they are out of date.
import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion', '-Werror'];

const pathOf = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Compiles bench/<source> to build/bench/<name>, and gives the path of that. */
async function build(source, name, options) {
  const from = pathOf(`bench/${source}`);
  const to = pathOf(`build/bench/${name}`);
  if (modified(to) > modified(from)) return to;
  mkdirSync(pathOf('build/bench'), { recursive: true });
  // Beside it and moved there, as somebody else may be about to run it.
  const fresh = `${to}.${process.pid}`;
  const args = ['-std=c11', '-O2', ...WARNINGS, from, '-o', fresh, ...options];
  await promisify(execFile)(process.env.CC ?? 'gcc', args);
  renameSync(fresh, to);
  return to;
}

/** With the static liburing, as the addon has it. */
export const limitProgram = () => build('limit.c', 'limit', ['-l:liburing.a']);

/** A library to preload. */
export const mallocCounter = () =>
  build('count-malloc.c', 'count-malloc.so', ['-shared', '-fPIC', '-pthread']);
