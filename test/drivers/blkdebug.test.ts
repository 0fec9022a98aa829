import { readFileSync } from 'node:fs';
import {
  AioContext,
  BLKDEBUG_EVENTS,
  type BlkdebugEvent,
  BlockBackend,
  blkdebug,
} from '../../lib/index.js';
import { messageOf, openDebug, openRaw, suspended } from '../support/blkdebug.js';
import { runChild } from '../support/child.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf, codeThrown, submittedBy } from '../support/requests.js';
import { isSettled, turn } from '../support/waiting.js';

const SIZE = 65536;
const disk = () => image(SIZE, Buffer.from('d'));
const block = () => Buffer.alloc(512, 'w');

onEveryEngineAndHome((context) => {
  const raw = (debug: object = {}, more: object = {}, filename = disk()) =>
    openRaw(context(), filename, debug, more);
  const debugged = (debug: object = {}, settings = {}, filename = disk()) =>
    openDebug(context(), filename, debug, settings);

  const everyRequest = (blk: BlockBackend) => [
    () => blk.pread(0, block()),
    () => blk.pwrite(0, block()),
    () => blk.pwriteZeroes(0, 512),
    () => blk.pdiscard(0, 512),
    () => blk.flush(),
  ];

  test('TDRV-3: without more, an error is EIO for each of the usual requests, always', async () => {
    const { blk } = await debugged({
      'inject-error': [{ event: 'none' }],
      discard: 'unmap',
    });
    for (let round = 0; round < 2; round += 1) {
      for (const request of everyRequest(blk)) expect(await codeOf(request())).toBe('EIO');
    }
    await blk.close();
  });

  test('TDRV-3: iotype, errno and once choose the request, the error and how often', async () => {
    const types = ['read', 'write', 'write-zeroes', 'discard', 'flush'];
    const { blk } = await debugged({
      'inject-error': types.map((iotype, index) => ({
        event: 'none',
        iotype,
        errno: [1, 5, 12, 13, 28][index],
        once: true,
      })),
      discard: 'unmap',
    });
    const codes = [];
    for (const request of everyRequest(blk)) codes.push(await codeOf(request()));
    expect(codes).toEqual(['EPERM', 'EIO', 'ENOMEM', 'EACCES', 'ENOSPC']);
    for (const request of everyRequest(blk)) expect(await codeOf(request())).toBe('none');
    await blk.close();
  });

  test('TDRV-3: a sector is hit by requests that it lies in', async () => {
    const { blk } = await debugged({ 'inject-error': [{ event: 'none', sector: 10 }] });
    expect(await codeOf(blk.pread(9 * 512, Buffer.alloc(512)))).toBe('none');
    expect(await codeOf(blk.pread(9 * 512, Buffer.alloc(513)))).toBe('EIO');
    expect(await codeOf(blk.pwrite(10 * 512, block()))).toBe('EIO');
    expect(await codeOf(blk.pwrite(11 * 512, block()))).toBe('none');
    expect(await codeOf(blk.flush())).toBe('none');
    await blk.close();
  });

  test('TDRV-3: an event arms its error, for requests that raise it', async () => {
    const { blk, dbg } = await raw({
      'inject-error': [
        { event: 'read_aio', iotype: 'read', errno: 12, once: true },
        { event: 'write_aio', iotype: 'write', errno: 28, state: 2 },
      ],
      'set-state': [{ event: 'read_aio', new_state: 2 }],
    });
    expect(await codeOf(blk.pwrite(0, block()))).toBe('none');
    expect(await codeOf(blk.pread(0, block()))).toBe('ENOMEM');
    expect(dbg.state).toBe(2);
    expect(await codeOf(blk.pread(0, block()))).toBe('none');
    expect(await codeOf(blk.pwrite(0, block()))).toBe('ENOSPC');
    const error = await blk.pwrite(512, block()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ENOSPC', node: dbg.node.name, offset: 512 });
    await blk.close();
  });

  test('TDRV-5: a chain of states fails exactly the third write', async () => {
    const filename = disk();
    const { blk, dbg } = await raw(
      {
        'set-state': [
          { event: 'write_aio', state: 1, new_state: 2 },
          { event: 'write_aio', state: 2, new_state: 3 },
          { event: 'write_aio', state: 3, new_state: 4 },
        ],
        'inject-error': [{ event: 'write_aio', state: 3, iotype: 'write', once: true }],
      },
      {},
      filename,
    );
    const codes = [];
    for (let at = 0; at < 5; at += 1) codes.push(await codeOf(blk.pwrite(at * 512, block())));
    expect(codes).toEqual(['none', 'none', 'EIO', 'none', 'none']);
    expect(dbg.state).toBe(4);
    await blk.close();
    const content = readFileSync(filename, 'latin1');
    expect([0, 1, 2, 3, 4].map((at) => content[at * 512])).toEqual(['w', 'w', 'd', 'w', 'w']);
  });

  test('TDRV-5: rules of the event none are active from the beginning', async () => {
    const { blk, dbg } = await debugged({
      'set-state': [{ event: 'none', new_state: 7 }],
      'inject-error': [{ event: 'none', state: 1, iotype: 'flush' }],
    });
    expect(dbg.state).toBe(7);
    expect(dbg.eventCount('none')).toBe(1);
    await blk.pwrite(0, block());
    expect(await codeOf(blk.flush())).toBe('EIO');
    await blk.close();
  });

  test('TDRV-6: the options are the limits of the node, and requests keep to them', async () => {
    const { blk, dbg } = await debugged({
      align: 4096,
      'max-transfer': 8192,
      'opt-write-zero': 16384,
      'max-write-zero': 32768,
      'opt-discard': 8192,
      'max-discard': 16384,
      discard: 'unmap',
    });
    expect(dbg.node.info()).toMatchObject({ requestAlignment: 4096, maxTransfer: 8192 });
    // 40960 bytes in pieces of 8192; a write reads its first and last block before.
    const write = () => blk.pwrite(100, Buffer.alloc(40_000, 'x'));
    expect(await submittedBy(context(), write)).toMatchObject({ read: 2, write: 5 });
    const read = () => blk.pread(1, Buffer.alloc(40_000));
    expect(await submittedBy(context(), read)).toMatchObject({ read: 5, write: 0 });
    await blk.pwriteZeroes(1000, 60_000);
    await blk.pdiscard(1000, 60_000);
    expect(dbg.limitViolations).toBe(0);
    await blk.close();
  });

  test('TDRV-6: limits that cannot be met are refused, in one sentence', async () => {
    const wrong: [object, RegExp][] = [
      [{ align: 3 }, /align is 3; it must be a power of two up to 2\^30, or 0/],
      [{ align: 2 ** 31 }, /align is 2147483648/],
      [
        { align: 4096, 'max-transfer': 6144 },
        /max-transfer is 6144; it must be a multiple of 4096/,
      ],
      [{ align: 512, 'opt-write-zero': 100 }, /opt-write-zero is 100/],
      [{ 'opt-write-zero': 4096, 'max-write-zero': 512 }, /max-write-zero is 512; .* 4096/],
      [{ align: 512, 'opt-discard': 513 }, /opt-discard is 513/],
      [{ 'opt-discard': 4096, 'max-discard': 2048 }, /max-discard is 2048; .* 4096/],
      [{ 'max-transfer': -512 }, /max-transfer is -512/],
    ];
    for (const [limits, message] of wrong) {
      expect(await codeOf(debugged(limits))).toBe('EINVAL');
      expect(await messageOf(debugged(limits))).toMatch(message);
    }
  });

  test('TDRV-7: zeroes below the preferred size are written, small discards do nothing', async () => {
    const filename = disk();
    const { blk, dbg } = await debugged(
      { align: 512, 'opt-write-zero': 4096, discard: 'unmap' },
      {},
      filename,
    );
    await blk.pwriteZeroes(512, 1024);
    expect(dbg.eventCount('pwritev_zero')).toBe(1);
    expect(await codeOf(blk.pwriteZeroes(512, 1024, { noFallback: true }))).toBe('ENOTSUP');
    await blk.pdiscard(4000, 200);
    await blk.close();
    const expected = Buffer.alloc(SIZE, 'd').fill(0, 512, 1536);
    expect(readFileSync(filename).equals(expected)).toBe(true);
  });

  test('TDRV-8: a request waits at a breakpoint until it is resumed, and others pass', async () => {
    const { blk, dbg } = await raw();
    dbg.breakpoint('write_aio', 'A');
    expect(dbg.isSuspended('A')).toBe(false);
    const first = blk.pwrite(0, Buffer.alloc(512, 'a'));
    await suspended(dbg, 'A');
    await blk.pwrite(0, Buffer.alloc(512, 'b'));
    expect(await isSettled(first)).toBe(false);
    dbg.resume('A');
    await first;
    expect(codeThrown(() => dbg.resume('A'))).toBe('ENOENT');
    const buffer = block();
    await blk.pread(0, buffer);
    expect(buffer[0]).toBe('a'.charCodeAt(0));
    await blk.close();
  });

  test('TDRV-8: removing a breakpoint resumes who waits there', async () => {
    const { blk, dbg } = await raw();
    dbg.breakpoint('read_aio', 'A');
    dbg.breakpoint('write_aio', 'A');
    const requests = [blk.pread(0, block()), blk.pwrite(512, block())];
    await suspended(dbg, 'A');
    while (dbg.suspendedCount('A') < 2) await turn();
    dbg.breakpoint('read_aio', 'A');
    expect(dbg.removeBreakpoint('A')).toBe(2);
    await Promise.all(requests);
    await blk.pread(0, block());
    expect(codeThrown(() => dbg.removeBreakpoint('A'))).toBe('ENOENT');
    expect(codeThrown(() => dbg.breakpoint('nothing' as BlkdebugEvent, 'A'))).toBe('EINVAL');
    await blk.close();
    expect(codeThrown(() => dbg.resume('A'))).toBe('ENOMEDIUM');
  });

  test('TDRV-8: a drained section and close() wait for a suspended request', async () => {
    const { blk, dbg } = await raw();
    dbg.breakpoint('write_aio', 'A');
    const write = blk.pwrite(0, block());
    await suspended(dbg, 'A');
    const drained = blk.drainBegin();
    const late = blk.pwrite(512, block());
    expect(await isSettled(drained)).toBe(false);
    dbg.resume('A');
    await drained;
    await write;
    expect(await isSettled(late)).toBe(false);
    blk.drainEnd();
    await late;
    dbg.breakpoint('flush_to_os', 'B');
    const flush = blk.flush();
    await suspended(dbg, 'B');
    const closed = blk.close();
    expect(await isSettled(closed)).toBe(false);
    dbg.resume('B');
    await flush;
    await closed;
  });

  test('TDRV-8: breakpoints move with their node to another context', async () => {
    const other = new AioContext({ home: 'iothread' });
    const { blk, dbg } = await raw();
    dbg.breakpoint('write_aio', 'A');
    await blk.setContext(other);
    const write = blk.pwrite(0, block());
    await suspended(dbg, 'A');
    const moved = blk.setContext(context());
    expect(await isSettled(moved)).toBe(false);
    dbg.resume('A');
    await Promise.all([write, moved]);
    dbg.breakpoint('read_aio', 'B');
    const read = blk.pread(0, block());
    await suspended(dbg, 'B');
    dbg.resume('B');
    await read;
    await blk.close();
    await other.close();
  });

  test('TDRV-10: raw tells of reads, writes and flushes, a write of all its steps', async () => {
    const { blk, dbg } = await raw({ align: 4096 }, { discard: 'unmap' });
    const counted = async (work: () => Promise<unknown>) => {
      const before = BLKDEBUG_EVENTS.map((event) => dbg.eventCount(event));
      await work();
      const more = BLKDEBUG_EVENTS.map((event, at) => [
        event,
        dbg.eventCount(event) - (before[at] ?? 0),
      ]);
      return Object.fromEntries(more.filter(([, count]) => count !== 0));
    };
    expect(await counted(() => blk.pread(0, block()))).toEqual({ read_aio: 1 });
    expect(await counted(() => blk.pwrite(4096, Buffer.alloc(4096)))).toEqual({
      write_aio: 1,
      pwritev: 1,
      pwritev_done: 1,
    });
    expect(await counted(() => blk.flush())).toEqual({ flush_to_os: 1, flush_to_disk: 1 });
    expect(await counted(() => blk.flush())).toEqual({ flush_to_os: 1 });
    expect(await counted(() => blk.pwriteZeroes(0, 8192))).toEqual({
      pwritev_zero: 1,
      pwritev_done: 1,
    });
    expect(await counted(() => blk.pdiscard(0, 4096))).toEqual({});
    await blk.close();
  });

  describe('while JavaScript waits', () => {
    test('TDRV-8: a synchronous request at a breakpoint is EDEADLK, and nothing is held', async () => {
      const requests: [BlkdebugEvent, (blk: BlockBackend) => unknown][] = [
        ['read_aio', (blk) => blk.preadSync(0, block())],
        ['write_aio', (blk) => blk.pwriteSync(0, block())],
        ['pwritev', (blk) => blk.pwriteSync(0, block())],
        ['pwritev_done', (blk) => blk.pwriteSync(0, block())],
        ['pwritev_rmw_head', (blk) => blk.pwriteSync(100, block())],
        ['pwritev_rmw_after_head', (blk) => blk.pwriteSync(100, block())],
        ['pwritev_rmw_tail', (blk) => blk.pwriteSync(100, block())],
        ['pwritev_rmw_after_tail', (blk) => blk.pwriteSync(100, block())],
        ['pwritev_zero', (blk) => blk.pwriteZeroesSync(0, 4096)],
        ['flush_to_os', (blk) => blk.flushSync()],
        ['flush_to_disk', (blk) => blk.flushSync()],
      ];
      for (const [event, request] of requests) {
        // Of their own steps nodes tell their own driver, of others their child's.
        const opened = event.startsWith('pwritev') ? debugged : raw;
        const { blk, dbg } = await opened({ align: 4096 });
        await blk.pwrite(0, Buffer.alloc(4096));
        dbg.breakpoint(event, 'A');
        expect([event, codeThrown(() => request(blk))]).toEqual([event, 'EDEADLK']);
        expect(dbg.suspendedCount('A')).toBe(0);
        expect([event, codeThrown(() => request(blk))]).toEqual([event, 'none']);
        await blk.close();
      }
    });

    test('TDRV-8: a request that was held before stays held, and the call returns', async () => {
      const { blk, dbg } = await raw();
      dbg.breakpoint('write_aio', 'A');
      const held = blk.pwrite(0, block());
      await suspended(dbg, 'A');
      expect(blk.preadSync(4096, block())).toBe(512);
      dbg.breakpoint('read_aio', 'B');
      expect(codeThrown(() => blk.preadSync(4096, block()))).toBe('EDEADLK');
      expect([dbg.suspendedCount('A'), dbg.suspendedCount('B')]).toEqual([1, 0]);
      expect(await isSettled(held)).toBe(false);
      dbg.resume('A');
      expect(await held).toBe(512);
      await blk.close();
    });
  });
});

// On Node's loop, a request that needs no waiting is done within its submission.
test('TDRV-4: an error comes after one trip through the loop, or immediately', async () => {
  for (const immediately of [false, true]) {
    await using blk = await BlockBackend.open({
      driver: 'blkdebug',
      image: { driver: 'null-co', size: SIZE },
      'inject-error': [{ event: 'none', sector: 0, immediately }],
    });
    const order: string[] = [];
    const requests = [0, 512, 1024].map((offset) =>
      codeOf(blk.pread(offset, block())).then((code) => order.push(`${offset} ${code}`)),
    );
    await Promise.all(requests);
    const others = ['512 none', '1024 none'];
    expect(order).toEqual(immediately ? ['0 EIO', ...others] : [...others, '0 EIO']);
  }
});

test('blkdebug: the controls belong to the first one from a node down', async () => {
  const options = {
    driver: 'raw',
    file: {
      driver: 'blkdebug',
      'node-name': 'upper',
      image: { driver: 'blkdebug', 'node-name': 'lower', image: { driver: 'null-co' } },
    },
  };
  await using blk = await BlockBackend.open(options);
  expect(blkdebug(blk.root ?? '').node.name).toBe('upper');
  expect(blkdebug('lower').node.name).toBe('lower');
  await using none = await BlockBackend.open({ driver: 'null-co' });
  expect(codeThrown(() => blkdebug(none.root ?? ''))).toBe('ENOTSUP');
  expect(codeThrown(() => blkdebug('nobody'))).toBe('EINVAL');
});

test.each(['exits', 'terminated'])(
  'TDRV-8: what waits at a breakpoint when its thread ends is dropped (%s)',
  async (how) => {
    for (const home of ['node', 'iothread']) {
      const args = [how, home];
      const ended = await runChild('drivers/blkdebug-child.cjs', args, { exits: true });
      expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
    }
  },
);
