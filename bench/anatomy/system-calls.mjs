// System calls of all threads, by strace -c.
import { readFileSync, rmSync } from 'node:fs';
import { timed } from '../lib/child.mjs';

/** `{ io_uring_enter: 625, ... }` */
export function parseSummary(text) {
  const counts = {};
  for (const line of text.split('\n')) {
    // % time, seconds, usecs/call, calls, errors if there were any, name
    const [, calls, name] = /^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/.exec(line) ?? [];
    if (name !== undefined && name !== 'total') counts[name] = Number(calls);
  }
  return counts;
}

export async function systemCalls(folder, command) {
  const log = `${folder}/strace`;
  await timed('strace', ['-f', '-c', '-o', log, ...command]);
  const counts = parseSummary(readFileSync(log, 'utf8'));
  rmSync(log);
  return counts;
}
