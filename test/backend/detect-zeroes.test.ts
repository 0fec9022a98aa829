import { statSync } from 'node:fs';
import { BlockBackend, type BlockdevOptions, probe } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const CLUSTER = 65536;
const zeroes = Buffer.alloc(CLUSTER);

onEveryEngineAndHome((context) => {
  const open = (more: Partial<BlockdevOptions>): Promise<BlockBackend> =>
    BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'probed', size: 4 * CLUSTER, ...more },
      { context: context() },
    );
  const counters = () => probe('probed').counters();

  test('RW-14: a write of zeroes becomes a zero-write, any other stays what it is', async () => {
    await using blk = await open({ 'detect-zeroes': 'on' });
    await blk.pwrite(0, zeroes);
    await blk.pwritev(CLUSTER, [zeroes.subarray(0, 100), zeroes.subarray(0, 1000)]);
    expect(counters()).toMatchObject({ pwrite: 0, pwriteZeroes: 2 });
    const last = Buffer.alloc(CLUSTER);
    last[CLUSTER - 1] = 1;
    expect(await blk.pwrite(0, last)).toBe(CLUSTER);
    expect(counters()).toMatchObject({ pwrite: 1, pwriteZeroes: 2 });
  });

  test('RW-14: off, it stays a write', async () => {
    await using blk = await open({});
    await blk.pwrite(0, zeroes);
    expect(counters()).toMatchObject({ pwrite: 1, pwriteZeroes: 0 });
  });

  test('RW-14: what counts is the write with its padding', async () => {
    await using blk = await open({ 'detect-zeroes': 'on', 'request-alignment': 512 });
    await blk.pwrite(100, zeroes.subarray(0, 50));
    expect(counters()).toMatchObject({ pwrite: 0, pwriteZeroes: 1 });
    await blk.pwrite(512, Buffer.from('x'));
    await blk.pwrite(600, zeroes.subarray(0, 50));
    expect(counters()).toMatchObject({ pwrite: 2, pwriteZeroes: 1 });
    const read = Buffer.alloc(512);
    await blk.pread(512, read);
    expect(read.toString('latin1')).toBe(`x${'\0'.repeat(511)}`);
  });

  test('RW-14: unmap may free what it zeroes, and needs discard=unmap', async () => {
    const filename = makeImage(folder, 'unmap.img', 16 * CLUSTER);
    const options = { ...rawOptions(filename), 'detect-zeroes': 'unmap' } as const;
    expect(await codeOf(BlockBackend.open(options, { context: context() }))).toBe('EINVAL');
    const before = statSync(filename).blocks;
    const file = { driver: 'file', filename, discard: 'unmap' } as const;
    const unmap = { driver: 'raw', file, discard: 'unmap', 'detect-zeroes': 'unmap' } as const;
    await using blk = await BlockBackend.open(unmap, { context: context() });
    await blk.pwrite(0, Buffer.alloc(8 * CLUSTER));
    expect(statSync(filename).blocks).toBeLessThanOrEqual(before - 8 * 128);
    const read = Buffer.alloc(9 * CLUSTER);
    await blk.pread(0, read);
    const expected = Buffer.alloc(9 * CLUSTER).fill(0x64, 8 * CLUSTER);
    expect(read.equals(expected)).toBe(true);
  });

  test('RW-14: a growing write of zeroes grows the file', async () => {
    const filename = makeImage(folder, 'grow.img', 512);
    const options = { ...rawOptions(filename), 'detect-zeroes': 'on' } as const;
    await using blk = await BlockBackend.open(options, { context: context(), resize: true });
    blk.allowWriteBeyondEnd = true;
    const after = Buffer.alloc(512, 'a');
    await Promise.all([blk.pwrite(512, zeroes), blk.pwrite(512 + CLUSTER, after)]);
    expect(statSync(filename).size).toBe(1024 + CLUSTER);
    const read = Buffer.alloc(512);
    await blk.pread(512 + CLUSTER, read);
    expect(read.equals(after)).toBe(true);
  });
});
