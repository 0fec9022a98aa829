// How often the Node thread itself calls pwrite() and its like while a load of writes runs, as strace
// sees it: such a call waits for the file system, and JavaScript with it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report, settings, sideScript, timed } from '../lib/child.mjs';

const load = { ...settings(), write: true };
const folder = mkdtempSync(join(tmpdir(), 'blk-bench-strace-'));
try {
  const log = join(folder, 'log');
  const { stdout } = await timed('strace', [
    ...['-f', '-qq', '-o', log, '-e', 'trace=pwrite64,pwritev,pwritev2'],
    ...[process.execPath, sideScript('block-backend'), JSON.stringify(load)],
  ]);
  const { requests, pid } = JSON.parse(stdout);
  const threads = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /^\d+ +pwrite/.test(line))
    .map((line) => Number.parseInt(line, 10));
  const calls = threads.filter((thread) => thread === pid).length;
  report({ calls, elsewhere: threads.length - calls, requests });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
