// Which system calls the file driver makes, and what it makes of their failures. Threads engine:
// strace sees every call.
import { readFileSync } from 'node:fs';
import { scratchFolder } from '../support/matrix.js';
import { makeImage } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';

const folder = scratchFolder();

/** Opens `blk` on a file node of a threads context. */
const opened = (options = '{}', settings = '{}') => `
  const context = new AioContext({ aio: 'threads' });
  const file = { driver: 'file', filename, ...${options} };
  const blk = await BlockBackend.open(file, { context, ...${settings} });
  const data = Buffer.alloc(4096, 1);
`;
const CLOSE = `
  await blk.close();
  await context.close();
`;
const ZERO = 'fallocate ZERO_RANGE';
const PUNCH = 'fallocate KEEP_SIZE|PUNCH_HOLE';
const ALLOCATE = 'fallocate 0';

describeWith(['strace'], 'system calls of a file', () => {
  let filename: string;
  beforeEach(() => {
    filename = makeImage(folder, 'traced.img', 65536);
  });
  const run = (body: string, trace: string, inject?: string) =>
    traced(body, { filename, trace, ...(inject === undefined ? {} : { inject }) });

  test('FUA-6: a write-through write is one pwritev and one fdatasync', async () => {
    const { calls } = await run(
      `${opened()} blk.writeCache = false;
      for (let index = 0; index < 3; index += 1) await blk.pwrite(4096 * index, data);
      ${CLOSE}`,
      'pwrite64,pwritev,pwritev2,fdatasync,fsync',
    );
    const writes = calls.map((call) => call.replace(/^pwrite.*/, 'pwrite'));
    expect(writes).toEqual(Array(3).fill(['pwrite', 'fdatasync']).flat());
  });

  test('FILE-6: write-through is no flag of the open file', async () => {
    const { calls } = await run(
      `${opened()} blk.writeCache = false;
      const { execSync } = require('node:child_process');
      const fs = require('node:fs');
      for (const fd of fs.readdirSync('/proc/self/fd')) {
        let link = '';
        try { link = fs.readlinkSync('/proc/self/fd/' + fd); } catch {}
        if (link === filename) report(/flags:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd))[1]);
      }
      ${CLOSE}`,
      'fdatasync',
    ).then((result) => {
      const [flags] = result.reported as string[];
      expect(Number.parseInt(flags ?? '', 8) & 0o4010000).toBe(0);
      return result;
    });
    expect(calls).toEqual([]);
  });

  test('FUA-7: with no-flush there is no fdatasync', async () => {
    const { calls } = await run(
      `${opened("{ cache: { 'no-flush': true } }")} blk.writeCache = false;
      await blk.pwrite(0, data, { fua: true });
      await blk.flush();
      ${CLOSE}`,
      'fdatasync,fsync,sync_file_range',
    );
    expect(calls).toEqual([]);
  });

  test('FLUSH-8: in the page cache one EIO is for ever, and the kernel is not asked again', async () => {
    const body = (direct: boolean) => `${opened(`{ cache: { direct: ${direct} } }`)}
      for (let index = 0; index < 3; index += 1) {
        await blk.pwrite(0, data);
        report(await codeOf(blk.flush()));
      }
      ${CLOSE}`;
    const failing = 'fdatasync:error=EIO:when=1';
    const cached = await run(body(false), 'fdatasync', failing);
    expect([cached.reported, cached.calls]).toEqual([['EIO', 'EIO', 'EIO'], ['fdatasync']]);
    const direct = await run(body(true), 'fdatasync', failing);
    expect(direct.reported).toEqual(['EIO', 'none', 'none']);
    expect(direct.calls).toEqual(['fdatasync', 'fdatasync', 'fdatasync']);
  });

  test('PLUG-12: a flush is an fdatasync', async () => {
    const { calls } = await run(
      `${opened()} await blk.pwrite(0, data); await blk.flush(); ${CLOSE}`,
      'fdatasync,fsync,sync,syncfs',
    );
    expect(calls).toEqual(['fdatasync']);
  });

  test.each([
    ['fdatasync', 'await blk.pwrite(0, data); report(await blk.flush());', 0],
    ['fallocate', 'report(await blk.pwriteZeroes(0, 4096));', 0],
    ['ftruncate', 'report(await blk.truncate(4096));', 0],
    ['pwrite64,pwritev,pwritev2', 'report(await blk.pwrite(0, data));', 4096],
    ['pread64,preadv,preadv2', 'report(await blk.pread(0, data));', 4096],
  ])('FILE-17: an interrupted %s is tried again', async (calls, work, result) => {
    const body = `${opened('{}', '{ resize: true }')} ${work} ${CLOSE}`;
    const traced = await run(body, calls, `${calls}:error=EINTR:when=1`);
    expect(traced.reported).toEqual([result]);
    expect(traced.calls.length).toBe(2);
  });

  test('FILE-12: zero-range, else punch and allocate, else zeroes; what fails is remembered', async () => {
    const body = `${opened()}
      await blk.pwriteZeroes(0, 8192); await blk.pwriteZeroes(0, 8192); ${CLOSE}`;
    const usual = await run(body, 'fallocate');
    expect(usual.calls).toEqual([ZERO, ZERO]);
    filename = makeImage(folder, 'traced.img', 65536);
    const second = await run(body, 'fallocate', 'fallocate:error=EOPNOTSUPP:when=1');
    expect(second.calls).toEqual([ZERO, PUNCH, ALLOCATE, PUNCH, ALLOCATE]);
    expect(readFileSync(filename).equals(Buffer.alloc(65536, 0x64).fill(0, 0, 8192))).toBe(true);
    filename = makeImage(folder, 'traced.img', 65536);
    const third = await run(body, 'fallocate,pwrite64,pwritev', 'fallocate:error=EOPNOTSUPP');
    const writes = third.calls.map((call) => call.replace(/^pwrite.*/, 'pwrite'));
    expect(writes).toEqual([ZERO, PUNCH, 'pwrite', 'pwrite']);
    expect(readFileSync(filename).equals(Buffer.alloc(65536, 0x64).fill(0, 0, 8192))).toBe(true);
  });

  test('FILE-12: wholly past the end it allocates, where neither of them is supported', async () => {
    const { calls, reported } = await run(
      `${opened('{}', '{ resize: true }')} blk.allowWriteBeyondEnd = true;
      report(await blk.pwriteZeroes(65536, 8192));
      report(await codeOf(blk.pwriteZeroes(65536 + 4096, 8192, { noFallback: true })));
      ${CLOSE}`,
      'fallocate,pwrite64,pwritev',
      'fallocate:error=EOPNOTSUPP:when=1..2',
    );
    expect(calls).toEqual([ZERO, PUNCH, ALLOCATE]);
    expect(reported).toEqual([0, 'ENOTSUP']);
    expect(readFileSync(filename).length).toBe(65536 + 8192);
  });

  test('FILE-12: EINVAL on zero-range goes on to the next way, and is not remembered', async () => {
    const { calls } = await run(
      `${opened()} await blk.pwriteZeroes(0, 8192); await blk.pwriteZeroes(0, 8192); ${CLOSE}`,
      'fallocate',
      'fallocate:error=EINVAL:when=1',
    );
    expect(calls).toEqual([ZERO, PUNCH, ALLOCATE, ZERO]);
  });

  test.each(['EOPNOTSUPP', 'EINVAL', 'EBUSY'])(
    'FILE-13: may-unmap is a hole, and after %s a zero-range',
    async (error) => {
      const body = `${opened("{ discard: 'unmap' }")}
        await blk.pwriteZeroes(0, 8192, { mayUnmap: true }); ${CLOSE}`;
      expect((await run(body, 'fallocate')).calls).toEqual([PUNCH]);
      const refused = await run(body, 'fallocate', `fallocate:error=${error}:when=1`);
      expect(refused.calls).toEqual([PUNCH, ZERO]);
    },
  );

  test.each(['ENODEV', 'ENOSYS', 'EOPNOTSUPP', 'ENOTTY'])(
    'FILE-14: after %s no further discard is tried',
    async (error) => {
      const { calls, reported } = await run(
        `${opened("{ discard: 'unmap' }")}
        report(await codeOf(blk.pdiscard(0, 8192)));
        report(await codeOf(blk.pdiscard(0, 8192)));
        report(blk.root.info().discardFailed);
        ${CLOSE}`,
        'fallocate',
        `fallocate:error=${error}`,
      );
      expect(calls).toEqual([PUNCH]);
      expect(reported).toEqual(['none', 'none', 2]);
    },
  );

  test('FILE-14: another error is returned', async () => {
    const { reported } = await run(
      `${opened("{ discard: 'unmap' }")} report(await codeOf(blk.pdiscard(0, 8192))); ${CLOSE}`,
      'fallocate',
      'fallocate:error=EIO',
    );
    expect(reported).toEqual(['EIO']);
  });

  test('FILE-2: EROFS is reported as EACCES', async () => {
    const { reported } = await run(
      `report(await codeOf(BlockBackend.open({ driver: 'file', filename })));`,
      'openat',
      'openat:error=EROFS',
    );
    expect(reported).toEqual(['EACCES']);
  });

  test('TRUNC-7: a file that grows from empty gets one block: 4096, or 512 if it is smaller', async () => {
    for (const [size, written] of [
      [65536, 4096],
      [4095, 512],
    ]) {
      filename = makeImage(folder, 'traced.img', 0);
      const { lines } = await run(
        `${opened('{}', '{ resize: true }')} await blk.truncate(${size}); ${CLOSE}`,
        'pwrite64',
      );
      expect(lines.map((line) => / (\d+, \d+)\) = /.exec(line)?.[1])).toEqual([`${written}, 0`]);
    }
  });

  const grown = async (preallocation: string, inject?: string) => {
    filename = makeImage(folder, 'traced.img', 1000);
    const { lines, reported } = await run(
      `${opened('{}', '{ resize: true }')}
      report(await codeOf(blk.truncate(200000, { preallocation: '${preallocation}' })));
      ${CLOSE}`,
      'ftruncate,fallocate,pwrite64,fsync',
      inject,
    );
    const calls = lines.map((line) =>
      line
        .replace(/^\d+ +/, '')
        .replace(/\(.*?>/, '')
        .replace(/ "[^"]*"\.*,/, '')
        .replace(/\) += .*/, ''),
    );
    return { calls, reported };
  };

  test('TRUNC-9: falloc allocates the new range and nothing else', async () => {
    expect(await grown('falloc')).toEqual({
      calls: ['fallocate, 0, 1000, 199000'],
      reported: ['none'],
    });
  });

  test('TRUNC-10: full sets the size, writes zeroes in steps of 64 KiB, and syncs', async () => {
    const calls = [
      'ftruncate, 200000',
      'pwrite64, 65536, 1000',
      'pwrite64, 65536, 66536',
      'pwrite64, 65536, 132072',
      'pwrite64, 2392, 197608',
      'fsync',
    ];
    expect(await grown('full')).toEqual({ calls, reported: ['none'] });
    expect(readFileSync(filename).length).toBe(200_000);
    expect(await grown('full', 'fsync:error=EIO')).toEqual({
      calls: [...calls, 'ftruncate, 1000'],
      reported: ['EIO'],
    });
    expect(readFileSync(filename).equals(Buffer.alloc(1000, 0x64))).toBe(true);
  });

  test.each([
    ['falloc', 'fallocate'],
    ['full', 'fsync'],
  ])('FILE-17: a preallocation (%s) goes on after an interrupted %s', async (mode, call) => {
    const { calls, reported } = await grown(mode, `${call}:error=EINTR:when=1`);
    expect(reported).toEqual(['none']);
    expect(calls.filter((each) => each.startsWith(call)).length).toBe(2);
  });

  test('PLUG-9: without io_uring the threads do the work, with one warning', async () => {
    const { reported, stderr } = await traced(
      `const first = new AioContext();
      const second = new AioContext();
      report(first.info().engine);
      const blk = await BlockBackend.open({ driver: 'file', filename }, { context: second });
      report(await blk.pread(0, Buffer.alloc(4096)));
      await blk.close();
      await first.close();
      await second.close();
      report(await codeOf((async () => new AioContext({ aio: 'io_uring' }))()));`,
      {
        filename,
        trace: 'io_uring_setup',
        inject: 'io_uring_setup:error=EPERM',
        everywhere: true,
      },
    );

    expect(reported).toEqual(['threads', 4096, 'EPERM']);
    expect(stderr.match(/BLOCK_AIO_FALLBACK/g)?.length).toBe(1);
  });
});
