// What requests see of the engines: overflow, interruptions, partial transfers, bounces.
import { truncateSync } from 'node:fs';
import { AioContext, BlockBackend, type SimOptions } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { describeMounted, tinyTmpfs } from '../support/mounts.js';
import { codeOf, inVirtualTime, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 1024 * 1024;

/** Every 4096 bytes are filled with the number of their block. */
function numbered(offset: number, bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4096) {
    content.fill(((offset + at) / 4096) % 251, at, at + 4096);
  }
  return content;
}

onEveryEngineAndHome((context) => {
  const open = (filename: string, more = {}) =>
    BlockBackend.open(rawOptions(filename, more), { context: context() });

  test('PLUG-4: far more requests at once than a ring has entries', async () => {
    await using blk = await open(makeImage(folder, 'many.img', SIZE));
    const writes = Array.from({ length: 256 }, (_, block) =>
      blk.pwrite(4096 * block, numbered(4096 * block, 4096)),
    );
    expect(new Set(await Promise.all(writes))).toEqual(new Set([4096]));
    const buffers = Array.from({ length: 2000 }, () => Buffer.alloc(4096));
    const reads = buffers.map((buffer, index) => blk.pread(4096 * (index % 256), buffer));
    expect(blk.inFlight).toBe(2000);
    await Promise.all(reads);
    const wrong = buffers.findIndex(
      (buffer, index) => !buffer.equals(numbered(4096 * (index % 256), 4096)),
    );
    expect(wrong).toBe(-1);
  });

  test('PLUG-6: a read that ends with the file is filled up with zeroes', async () => {
    const filename = makeImage(folder, 'shrunk.img', 65536);
    await using blk = await open(filename, { cache: { direct: false } });
    truncateSync(filename, 10_000);
    const buffer = Buffer.alloc(8192, 1);
    expect(await blk.pread(4096, buffer)).toBe(8192);
    expect(buffer.subarray(0, 5904).equals(Buffer.alloc(5904, 0x64))).toBe(true);
    expect(buffer.subarray(5904).equals(Buffer.alloc(2288))).toBe(true);
    expect(await blk.pread(32768, buffer)).toBe(8192);
    expect(buffer.equals(Buffer.alloc(8192))).toBe(true);
  });

  test('PLUG-8: a synchronous request inside a callback leaves the other completions alone', async () => {
    await using blk = await open(makeImage(folder, 'nested.img', 65536));
    const results: number[] = [];
    await new Promise<void>((resolve) => {
      for (let index = 0; index < 32; index += 1) {
        blk.aio.pread(512 * index, Buffer.alloc(512), (_, result) => {
          if (index % 4 === 0) results.push(blk.preadSync(4096, Buffer.alloc(1024)));
          results.push(result);
          if (results.length === 40) resolve();
        });
      }
    });
    expect(results.filter((result) => result === 1024).length).toBe(8);
    expect(results.filter((result) => result === 512).length).toBe(32);
    expect(blk.inFlight).toBe(0);
  });

  test('PLUG-9: aio=io_uring on a context without it is an error at open', async () => {
    const filename = makeImage(folder, 'choice.img', 65536);
    const opened = BlockBackend.open(
      { driver: 'file', filename, aio: 'io_uring' },
      { context: context() },
    );
    if (context().info().engine === 'io_uring') {
      await (await opened).close();
    } else {
      expect(await codeOf(opened)).toBe('ENOSYS');
    }
  });

  test('PLUG-10: misaligned memory under O_DIRECT is bounced', async () => {
    const filename = makeImage(folder, 'bounced.img', 65536);
    await using blk = await BlockBackend.open(
      { driver: 'file', filename, cache: { direct: true } },
      { context: context() },
    );
    const memory = blk.allocate(8192);
    const misaligned = memory.subarray(1, 4097);
    expect(await blk.pwrite(4096, misaligned.fill(5))).toBe(4096);
    misaligned.fill(0);
    expect(await blk.pread(4096, misaligned)).toBe(4096);
    expect(misaligned.equals(Buffer.alloc(4096, 5))).toBe(true);
    expect([memory[0], memory[4097]]).toEqual([0, 0]);
    expect(blk.root?.info().bounced).toBe(2);
    expect(await blk.pread(0, memory)).toBe(8192);
    expect(blk.root?.info().bounced).toBe(2);
  });

  test('PLUG-11: aio=native needs cache.direct=on', async () => {
    const filename = makeImage(folder, 'native.img', 65536);
    const settings = { context: context() };
    const native = { driver: 'file', filename, aio: 'native' };
    expect(await codeOf(BlockBackend.open(native, settings))).toBe('EINVAL');
    await using blk = await BlockBackend.open({ ...native, cache: { direct: true } }, settings);
    expect(await blk.pread(0, Buffer.alloc(4096))).toBe(4096);
  });

  test('PLUG-14: reads past the end of a short file finish, one or 64 at once', async () => {
    const filename = makeImage(folder, 'short.img', 300);
    await using blk = await open(filename, { cache: { direct: false } });
    const expected = Buffer.concat([Buffer.alloc(300, 0x64), Buffer.alloc(212)]);
    const buffers = Array.from({ length: 64 }, () => Buffer.alloc(512, 1));
    const [first, ...others] = buffers as [Buffer, ...Buffer[]];
    expect(await blk.pread(0, first)).toBe(512);
    expect(new Set(await Promise.all(others.map((buffer) => blk.pread(0, buffer))))).toEqual(
      new Set([512]),
    );
    expect(buffers.every((buffer) => buffer.equals(expected))).toBe(true);
    expect(blk.preadSync(0, first.fill(1))).toBe(512);
    expect(first.equals(expected)).toBe(true);
  });
});

const small = tinyTmpfs(65536);

describeMounted('on a file system that is full', small, () => {
  onEveryEngineAndHome((context) => {
    test('PLUG-7: a write that finds room for a part only is ENOSPC', async () => {
      const filename = makeImage(small.folder, 'full.img', 4096);
      truncateSync(filename, SIZE);
      await using blk = await BlockBackend.open(
        { driver: 'file', filename },
        { context: context() },
      );
      expect(await codeOf(blk.pwrite(4096, Buffer.alloc(131072, 1)))).toBe('ENOSPC');
      const written = Buffer.alloc(8192);
      expect(await blk.pread(0, written)).toBe(8192);
      expect(written.equals(Buffer.alloc(8192, 0x64).fill(1, 4096))).toBe(true);
    });
  });
});

describe('in virtual time', () => {
  const seed = Date.now() % 2 ** 31;

  const writeAndReadBack = async (sim: SimOptions) => {
    console.log(`seed ${seed}`);
    await using context = new AioContext({
      home: 'virtual',
      sim: { seed, minLatency: 100, maxLatency: 5000, ...sim },
    });
    const filename = makeImage(folder, 'sim.img', SIZE);
    await using blk = await BlockBackend.open({ driver: 'file', filename }, { context });
    const offsets = Array.from({ length: 64 }, (_entry, index) => 16384 * index);
    const content = numbered(0, SIZE);
    const writes = offsets.map((at) => blk.pwrite(at, content.subarray(at, at + 16384)));
    const written = await inVirtualTime(context, Promise.all(writes));
    expect(new Set(written)).toEqual(new Set([16384]));
    expect(await inVirtualTime(context, blk.flush())).toBe(0);
    const back = Buffer.alloc(SIZE);
    const reads = offsets.map((at) => blk.pread(at, back.subarray(at, at + 16384)));
    await inVirtualTime(context, Promise.all(reads));
    expect(back.equals(content)).toBe(true);
    const { read, write } = context.info().submitted;
    expect(read + write).toBeGreaterThan(128);
  };

  test('PLUG-5: EAGAIN is tried again and is no error', () =>
    writeAndReadBack({ againPerMillion: 400_000 }));

  test('PLUG-6: short transfers go on where they stopped', () =>
    writeAndReadBack({ shortPerMillion: 600_000 }));
});

describe('AioContext', () => {
  test("AioContext: 'poll-max-ns' is an IOThread's, 32768 unless it says otherwise, and can change", async () => {
    await using thread = new AioContext();
    expect(thread.info().pollMaxNs).toBe(32_768);
    thread.setPollMaxNs(0);
    expect(thread.info().pollMaxNs).toBe(0);
    await using other = new AioContext({ 'poll-max-ns': 1000 });
    expect(other.info().pollMaxNs).toBe(1000);
    expect(() => other.setPollMaxNs(-1)).toThrow(RangeError);
    expect(() => other.setPollMaxNs(0.5)).toThrow(RangeError);
    expect(() => new AioContext({ 'poll-max-ns': -1 })).toThrow("options['poll-max-ns']");
    expect(() => new AioContext({ home: 'virtual', 'poll-max-ns': 1 })).toThrow('iothread');
    expect(() => AioContext.main.setPollMaxNs(1)).toThrow('IOThread');
    expect(AioContext.main.info().pollMaxNs).toBe(0);
  });

  /** Up to so many writes, one after the other, until one was done by the thread itself; how many were. */
  async function doneInPlace(context: AioContext, most: number): Promise<number> {
    await using blk = await BlockBackend.open(
      rawOptions(makeImage(folder, `${context.name}.img`, SIZE)),
      { context },
    );
    const block = numbered(4096, 4096);
    for (let left = most; left > 0 && context.info().doneAtOnce === 0; left -= 1) {
      expect(await blk.pwrite(4096, block)).toBe(4096);
    }
    const writes = context.info().doneAtOnce;
    const found = Buffer.alloc(4096);
    await blk.pread(4096, found);
    expect(found.equals(block)).toBe(true);
    return writes;
  }

  test("AioContext: 'write-in-place' is an IOThread's, which then does lone buffered writes itself", async () => {
    await using usual = new AioContext({ name: 'usual' });
    expect(await doneInPlace(usual, 20)).toBe(0);
    await using context = new AioContext({ name: 'in place', 'write-in-place': true });
    const { engine, workerSubmissions } = usual.info();
    // File systems that write without waiting need none of it, and have ever fewer for workers.
    const isPunted = engine === 'io_uring' && workerSubmissions > 3;
    expect(await doneInPlace(context, 1000)).toBe(isPunted ? 1 : 0);
    expect(() => new AioContext({ home: 'node', 'write-in-place': true })).toThrow('iothread');
    const wrong = { 'write-in-place': 'yes' as unknown as boolean };
    expect(() => new AioContext(wrong)).toThrow("options['write-in-place']");
  });
});
