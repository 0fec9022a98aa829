// A log of writes as its readers find it, whatever engine wrote it.
import { readFileSync } from 'node:fs';
import { BlockBackend, replayWriteLog, WriteLog } from '../../lib/index.js';
import { scratchFolder } from '../support/matrix.js';
import { makeImage, openFlags } from '../support/requests.js';

const folder = scratchFolder();
const SECTOR = 512;
/** Long data is replayed in parts; this is one part and a sector. */
const LONG = 1024 ** 2 + SECTOR;
const SIZE = 2 * LONG;

let count = 0;
const emptyImage = (name: string, bytes: number): string => {
  count += 1;
  return makeImage(folder, `${name}-${count}`, bytes, 0);
};

/** The log of what `write` does to an image. */
async function logOf(write: (blk: BlockBackend) => Promise<void>): Promise<string> {
  const log = emptyImage('log', 0);
  await using blk = await BlockBackend.open({
    driver: 'blklogwrites',
    file: { driver: 'file', filename: emptyImage('image', SIZE) },
    log: { driver: 'file', filename: log },
  });
  await write(blk);
  return log;
}

async function threeSectors(blk: BlockBackend): Promise<void> {
  for (const [index, letter] of ['a', 'b', 'c'].entries()) {
    await blk.pwrite(index * SECTOR, Buffer.alloc(SECTOR, letter));
  }
}

test('write log: a replay does the entries from one index up to another, and no more', async () => {
  const log = await logOf(threeSectors);
  const target = emptyImage('target', 4 * SECTOR);
  const replayed = await replayWriteLog({ log, target, from: 1, upTo: 2 });
  expect(replayed).toEqual({ entries: 1, bytes: SECTOR });
  const expected = Buffer.alloc(4 * SECTOR);
  expected.fill('b', SECTOR, 2 * SECTOR);
  expect(readFileSync(target).equals(expected)).toBe(true);
});

test('write log: what follows a long write in the log is not replayed with it', async () => {
  const data = Buffer.alloc(LONG, 'pattern');
  const log = await logOf(async (blk) => {
    await blk.pwrite(0, data);
    await blk.pwrite(SIZE - SECTOR, Buffer.alloc(SECTOR, 'x'));
  });
  const target = emptyImage('target', SIZE);
  const replayed = await replayWriteLog({ log, target, upTo: 1 });
  expect(replayed).toEqual({ entries: 1, bytes: LONG });
  const expected = Buffer.concat([data, Buffer.alloc(SIZE - LONG)]);
  expect(readFileSync(target).equals(expected)).toBe(true);
});

test('write log: a replay leaves neither the log nor its target open', async () => {
  const log = await logOf(threeSectors);
  const target = emptyImage('target', 4 * SECTOR);
  await replayWriteLog({ log, target });
  expect(openFlags(log)).toEqual([]);
  expect(openFlags(target)).toEqual([]);
});

test('write log: a file that is none is not left open', async () => {
  const path = emptyImage('none', 4 * SECTOR);
  await expect(WriteLog.open(path)).rejects.toMatchObject({ code: 'EINVAL' });
  expect(openFlags(path)).toEqual([]);
});
