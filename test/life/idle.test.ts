// An idle open backend costs nothing: no thread of the process makes a system call.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { instrumented } from '../support/leaks.js';
import { combinations, scratchFolder } from '../support/matrix.js';
import { describeWith, foreignEnv } from '../support/tools.js';

/** A second after the last request it begins; 10 s after it the workers of the threads engine end. */
const IDLE_MS = 8600;
/** After its mark the main thread goes to sleep in its loop, which takes seconds on a busy machine. */
const SETTLING_S = 3.4;

const folder = scratchFolder();
const image = join(folder, 'image');
writeFileSync(image, Buffer.alloc(1024 * 1024, 5));

interface Trace {
  /** The lines that strace wrote. */
  readonly lines: readonly string[];
  /** When the process was woken, in seconds of the clock that strace prints. */
  readonly woken: number;
}

/** What an idle process of this kind called until it was woken, and after. */
function trace(aio: string, home: string): Promise<Trace> {
  const file = join(folder, `${aio}-${home}.trace`);
  const child = spawn(
    'strace',
    [
      '-f',
      '-ttt',
      '-o',
      file,
      process.execPath,
      // 8 s after its last collection V8 collects once more in an idle process; and its background
      // threads end what they had begun when the machine lets them, which no waiting bounds.
      '--no-memory-reducer',
      '--single-threaded',
      join(__dirname, 'idle-child.cjs'),
      aio,
      home,
      image,
    ],
    { env: foreignEnv(), stdio: ['pipe', 'ignore', 'pipe'] },
  );
  let woken = 0;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (!text.includes('idle begins')) return;
    setTimeout(() => {
      woken = Date.now() / 1000;
      child.stdin.end('enough\n');
    }, IDLE_MS);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve({ lines: readFileSync(file, 'utf8').split('\n'), woken });
      else reject(new Error(`strace ended with ${code}`));
    });
  });
}

interface Call {
  readonly time: number;
  readonly text: string;
}

/** What was called after the process had settled and before it was woken. */
function idleCalls({ lines, woken }: Trace): { seconds: number; calls: Call[] } {
  const calls = lines.map((line): Call => {
    const [, time = '0', text = ''] = /^\d+ +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    return { time: Number(time), text };
  });
  const begin = calls.find(({ text }) => text.includes('"idle begins')) as Call;
  const settled = begin.time + SETTLING_S;
  return {
    seconds: woken - settled,
    calls: calls.filter(({ time }) => time > settled && time < woken),
  };
}

// The addon of an instrumented build needs the sanitizer's library, whose own thread wakes up.
const needed = instrumented === '' ? ['strace'] : ['strace', `a build without ${instrumented}`];

describeWith(needed, 'idle', () => {
  test.concurrent.each(combinations)(
    'life: an idle backend on $aio in $home makes no system call in 5 s',
    async ({ aio, home }) => {
      const { seconds, calls } = idleCalls(await trace(aio, home));
      expect(seconds).toBeGreaterThan(5);
      expect(calls).toEqual([]);
    },
  );
});
