// Allocations: calls of malloc() and its like by a preloaded counter, and bytes of JavaScript's heap.
import { readFileSync, rmSync } from 'node:fs';
import { timed } from '../lib/child.mjs';
import { mallocCounter } from '../lib/programs.mjs';
import { sum } from './marginal.mjs';

export async function mallocCalls(folder, command) {
  const counter = await mallocCounter();
  const log = `${folder}/malloc`;
  await timed('env', [`LD_PRELOAD=${counter}`, `COUNT_MALLOC=${log}`, ...command]);
  const counts = readFileSync(log, 'utf8').split('\n').filter(Boolean).map(Number);
  rmSync(log);
  return { malloc: sum(counts) };
}

/** A young generation that is never full, and so loses nothing of what it was asked for. */
const YOUNG = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

/** Bytes per request. */
export async function heapBytes(command) {
  const [program, ...args] = command(YOUNG);
  const { stdout } = await timed(program, args);
  return JSON.parse(stdout).heap_per_io;
}
