// An idle open backend costs nothing: no thread of the process makes a system call.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { instrumented } from '../support/leaks.js';
import { combinations, scratchFolder } from '../support/matrix.js';
import { describeWith, foreignEnv } from '../support/tools.js';

/** A second after the last request it begins; 10 s after it the workers of the threads engine end. */
const IDLE_MS = 8500;
/**
 * After its mark the main thread goes to sleep in its loop and V8's threads end what they had begun,
 * which takes seconds on a busy machine.
 */
const SETTLING_S = 3.4;

const folder = scratchFolder();
const image = join(folder, 'image');
writeFileSync(image, Buffer.alloc(1024 * 1024, 5));

/** The lines that strace wrote for an idle process of this kind. */
function trace(aio: string, home: string): Promise<string[]> {
  const file = join(folder, `${aio}-${home}.trace`);
  const child = spawn(
    'strace',
    [
      '-f',
      '-ttt',
      '-o',
      file,
      process.execPath,
      // 8 s after its last collection V8 collects once more in an idle process, with all its threads.
      '--no-memory-reducer',
      join(__dirname, 'idle-child.cjs'),
      aio,
      home,
      image,
    ],
    { env: foreignEnv(), stdio: ['pipe', 'ignore', 'pipe'] },
  );
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('idle begins')) setTimeout(() => child.stdin.end('enough\n'), IDLE_MS);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(readFileSync(file, 'utf8').split('\n'));
      else reject(new Error(`strace ended with ${code}`));
    });
  });
}

interface Call {
  readonly time: number;
  readonly text: string;
}

/** What was called between the two marks, except for the wake-up that the second one is. */
function idleCalls(lines: readonly string[]): { seconds: number; calls: Call[] } {
  const calls = lines.map((line): Call => {
    const [, time = '0', text = ''] = /^\d+ +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    return { time: Number(time), text };
  });
  const begin = calls.findIndex(({ text }) => text.includes('"idle begins'));
  const end = calls.findIndex(({ text }) => text.startsWith('read(0, "enough'));
  const from = calls[begin] as Call;
  const to = calls[end] as Call;
  const between = calls.slice(begin + 1, end).filter(({ time }) => time > from.time + SETTLING_S);
  if (between.at(-1)?.text.startsWith('<... epoll_pwait resumed>')) between.pop();
  return { seconds: to.time - from.time, calls: between };
}

// The addon of an instrumented build needs the sanitizer's library, whose own thread wakes up.
const needed = instrumented === '' ? ['strace'] : ['strace', `a build without ${instrumented}`];

describeWith(needed, 'idle', () => {
  test.concurrent.each(combinations)(
    'life: an idle backend on $aio in $home makes no system call in 5 s',
    async ({ aio, home }) => {
      const { seconds, calls } = idleCalls(await trace(aio, home));
      expect(seconds).toBeGreaterThan(IDLE_MS / 1000 - SETTLING_S);
      expect(calls).toEqual([]);
    },
  );
});
