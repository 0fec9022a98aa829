// Several JavaScript threads: each has backends of its own, and is told of its own requests.
import { readFileSync } from 'node:fs';
import { scratchFolder } from '../support/matrix.js';
import { program } from '../support/program.js';
import { makeImage } from '../support/requests.js';

const folder = scratchFolder();
const THREADS = 3;
const BLOCK = 4096;
const STRIPE = 16 * BLOCK;

/**
 * Runs the body of an async function, which has `blk` and `index`, in the main thread of a process
 * and in two workers, all at once, and gives what each of them returned.
 */
function onThreads(filename: string, home: string, body: string): Promise<unknown> {
  const code = `
    const { isMainThread, parentPort, threadId, workerData } = require('node:worker_threads');
    const { AioContext, BlockBackend } = require('block-backend');
    const filename = ${JSON.stringify(filename)};
    async function work(index) {
      const context = new AioContext({ home: '${home}' });
      const blk = await BlockBackend.open({ driver: 'file', filename, locking: 'off' }, { context });
      const result = await (async () => {${body}})();
      await blk.close();
      await context.close();
      return result;
    }
    if (!isMainThread) work(workerData).then((result) => parentPort.postMessage(result));
  `;
  return program(`
    const { Worker } = require('node:worker_threads');
    const code = ${JSON.stringify(code)};
    const inWorker = (index) => new Promise((resolve, reject) => {
      const worker = new Worker(code, { eval: true, workerData: index });
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    ${code}
    Promise.all([work(0), inWorker(1), inWorker(2)]).then((results) => {
      console.log(JSON.stringify(results));
    });
  `);
}

describe.each(['node', 'iothread'])('with requests carried out in %s', (home) => {
  test('AIO-16: callbacks run in the thread that submitted, and count there', async () => {
    const seen = await onThreads(
      makeImage(folder, `callbacks-${home}.img`, 65536),
      home,
      `const heard = new Set();
      const reads = Array.from({ length: 100 }, (_, sector) => new Promise((resolve) => {
        blk.aio.pread(512 * sector, Buffer.alloc(512), (error, bytes) => {
          heard.add(bytes + ' in ' + require('node:worker_threads').threadId);
          resolve();
        });
      }));
      const counted = blk.inFlight;
      await Promise.all(reads);
      (await blk.drained()).end();
      return { heard: [...heard], expected: ['512 in ' + threadId], counted, left: blk.inFlight };`,
    );
    const results = seen as Record<'heard' | 'expected', string[]>[];
    expect(results.map(({ heard }) => heard)).toEqual(results.map(({ expected }) => expected));
    expect(new Set(results.map(({ heard }) => heard[0])).size).toBe(THREADS);
    expect(results).toMatchObject(Array(THREADS).fill({ counted: 100, left: 0 }));
  });

  test('NEW-18: threads write beside each other, each with sections of its own', async () => {
    const filename = makeImage(folder, `stripes-${home}.img`, THREADS * STRIPE);
    const results = await onThreads(
      filename,
      home,
      `let written = 0;
      for (let round = 0; round < 20; round += 1) {
        const section = blk.drained();
        const data = Buffer.alloc(${BLOCK}, 64 * index + round);
        const writes = Array.from({ length: 16 }, (_, block) =>
          blk.pwrite(index * ${STRIPE} + ${BLOCK} * block, data));
        (await section).end();
        for (const bytes of await Promise.all(writes)) written += bytes;
      }
      return [written, blk.inFlight, blk.parked, blk.quiesceCount];`,
    );
    expect(results).toEqual(Array(THREADS).fill([20 * STRIPE, 0, 0, 0]));
    const expected = [0, 1, 2].map((index) => Buffer.alloc(STRIPE, 64 * index + 19));
    expect(readFileSync(filename).equals(Buffer.concat(expected))).toBe(true);
  });
});
