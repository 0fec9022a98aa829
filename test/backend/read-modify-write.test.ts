// Writes of parts of blocks: what fails between their steps, and writers that meet in one block.
import { readFileSync } from 'node:fs';
import { BLKDEBUG_EVENTS, type Blkdebug, type BlkdebugEvent } from '../../lib/index.js';
import { openDebug, suspended } from '../support/blkdebug.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { codeOf } from '../support/requests.js';
import { isSettled, turn } from '../support/waiting.js';

const SIZE = 65536;
const BLOCK = 4096;
const content = (filename: string) => readFileSync(filename, 'latin1');
const bytes = (count: number, letter: string) => Buffer.alloc(count, letter);

onEveryEngineAndHome((context) => {
  /** Blocks of 4096 bytes, filled with 'd'. */
  const open = async (debug: object = {}) => {
    const filename = image(SIZE, Buffer.from('d'));
    return { filename, ...(await openDebug(context(), filename, { align: BLOCK, ...debug })) };
  };

  const steps = (dbg: Blkdebug) =>
    Object.fromEntries(
      BLKDEBUG_EVENTS.map((event) => [event, dbg.eventCount(event)] as const).filter(
        ([event, count]) => event.startsWith('pwritev') && count !== 0,
      ),
    );

  test('TRK-13: a read of a part that fails with EIO fails the write, and no byte changes', async () => {
    const writes: [offset: number, length: number, event: BlkdebugEvent][] = [
      [100, 100, 'pwritev_rmw_head'],
      [0, 100, 'pwritev_rmw_tail'],
      [BLOCK - 100, 200, 'pwritev_rmw_head'],
      [100, 3 * BLOCK, 'pwritev_rmw_head'],
      [BLOCK, 2 * BLOCK + 100, 'pwritev_rmw_tail'],
      [100, 3 * BLOCK, 'pwritev_rmw_tail'],
    ];
    for (const [offset, length, event] of writes) {
      const { blk, dbg, filename } = await open({
        'inject-error': [{ event, iotype: 'read', once: true }],
      });
      expect(await codeOf(blk.pwrite(offset, bytes(length, 'w')))).toBe('EIO');
      expect(dbg.eventCount('pwritev')).toBe(0);
      expect(content(filename)).toBe('d'.repeat(SIZE));
      expect(await codeOf(blk.pwrite(offset, bytes(length, 'w')))).toBe('none');
      await blk.close();
      const expected = bytes(SIZE, 'd').fill('w', offset, offset + length);
      expect(content(filename)).toBe(expected.toString('latin1'));
    }
  });

  test('TRK-13: the same for zero-writes', async () => {
    for (const [offset, length] of [
      [100, 100],
      [100, 3 * BLOCK],
      [BLOCK, BLOCK + 1],
    ] as const) {
      for (const errno of [5, 12]) {
        const { blk, dbg, filename } = await open({
          'inject-error': [{ event: 'none', iotype: 'read', errno }],
        });
        const code = await codeOf(blk.pwriteZeroes(offset, length));
        expect(code).toBe(errno === 5 ? 'EIO' : 'ENOMEM');
        expect([dbg.eventCount('pwritev'), dbg.eventCount('pwritev_zero')]).toEqual([0, 0]);
        await blk.close();
        expect(content(filename)).toBe('d'.repeat(SIZE));
      }
    }
  });

  test.each(['pwritev_rmw_head', 'pwritev_rmw_after_head'] as const)(
    'TRK-14: 512-byte writes into one block, the first stopped at %s, lose no byte',
    async (event) => {
      const { blk, dbg, filename } = await open();
      dbg.breakpoint(event, 'A');
      const first = blk.pwrite(512, bytes(512, '1'));
      await suspended(dbg, 'A');
      const others = [2, 3].map((at) => blk.pwrite(at * 512, bytes(512, `${at}`)));
      expect(await Promise.all(others.map(isSettled))).toEqual([false, false]);
      dbg.resume('A');
      await Promise.all([first, ...others]);
      await blk.close();
      const expected = ['d', '1', '2', '3'].map((letter) => letter.repeat(512)).join('');
      expect(content(filename)).toBe(expected + 'd'.repeat(SIZE - 2048));
    },
  );

  test('TRK-14: 8 chained writers, each stopped between its read and its write', async () => {
    const seed = chooseSeed();
    const random = randomNumbers(seed);
    const { blk, dbg, filename } = await open();
    const order = [0, 1, 2, 3, 4, 5, 6, 7].sort(() => random(3) - 1);
    /** Writers up to that place, but for the one at the block's beginning. */
    const heads = (place: number) => order.slice(0, place + 1).filter((at) => at !== 0).length;
    dbg.breakpoint('pwritev', '0');
    const writes = order.map((at) => blk.pwrite(at * 512, bytes(512, `${at}`)));
    for (let place = 0; place < order.length; place += 1) {
      await suspended(dbg, `${place}`);
      // It alone has come this far: the others wait for it.
      expect({ seed, read: dbg.eventCount('pwritev_rmw_head') }).toEqual({
        seed,
        read: heads(place),
      });
      if (place < 7) dbg.breakpoint('pwritev', `${place + 1}`);
      dbg.resume(`${place}`);
    }
    await Promise.all(writes);
    await blk.close();
    const expected = [0, 1, 2, 3, 4, 5, 6, 7].map((at) => `${at}`.repeat(512)).join('');
    expect({ seed, text: content(filename).slice(0, BLOCK) }).toEqual({ seed, text: expected });
  });

  test('TRK-14: two writers that span two blocks, the first stopped in each of its steps', async () => {
    const events: BlkdebugEvent[] = [
      'pwritev_rmw_head',
      'pwritev_rmw_tail',
      'pwritev_rmw_after_head',
      'pwritev_rmw_after_tail',
      'pwritev',
      'pwritev_done',
    ];
    for (const event of events) {
      const { blk, dbg, filename } = await open();
      dbg.breakpoint(event, 'A');
      const first = blk.pwrite(BLOCK - 512, bytes(1024, '1'));
      await suspended(dbg, 'A');
      const second = blk.pwrite(2 * BLOCK - 512, bytes(1024, '2'));
      const apart = blk.pwrite(8 * BLOCK + 1, bytes(10, '3'));
      await apart; // shares no block with them
      expect(await isSettled(second)).toBe(false);
      dbg.resume('A');
      await Promise.all([first, second]);
      await blk.close();
      const expected = bytes(SIZE, 'd')
        .fill('1', BLOCK - 512, BLOCK + 512)
        .fill('2', 2 * BLOCK - 512, 2 * BLOCK + 512)
        .fill('3', 8 * BLOCK + 1, 8 * BLOCK + 11);
      expect(content(filename)).toBe(expected.toString('latin1'));
    }
  });

  test('TRK-15: the node is busy from before the padding is read until after the write', async () => {
    const { blk, dbg } = await open();
    const events: BlkdebugEvent[] = [
      'pwritev_rmw_head',
      'pwritev_rmw_after_head',
      'pwritev',
      'pwritev_done',
    ];
    for (const event of events) {
      dbg.breakpoint(event, 'A');
      const write = blk.pwrite(100, bytes(100, 'w'));
      await suspended(dbg, 'A');
      expect(dbg.node.inFlight()).toBe(1);
      const section = blk.drained();
      expect(await isSettled(section)).toBe(false);
      dbg.resume('A');
      await section;
      expect(dbg.node.inFlight()).toBe(0);
      expect(await isSettled(write)).toBe(true);
      await (await section)[Symbol.asyncDispose]();
      await write;
    }
    await blk.close();
  });

  test('TRK-15: a write that fails for its padding is counted until then, and no longer', async () => {
    const { blk, dbg } = await open({ 'inject-error': [{ event: 'none', iotype: 'read' }] });
    dbg.breakpoint('pwritev_rmw_tail', 'A');
    const code = codeOf(blk.pwrite(0, bytes(100, 'w')));
    await suspended(dbg, 'A');
    expect(dbg.node.inFlight()).toBe(1);
    dbg.resume('A');
    expect(await code).toBe('EIO');
    await turn();
    expect(dbg.node.inFlight()).toBe(0);
    await blk.close();
  });

  test('TDRV-10: steps of a write with both ends, with one end, and with none', async () => {
    for (const [offset, length, expected] of [
      [100, 100, { head: 1, tail: 1 }],
      [0, 100, { head: 0, tail: 1 }],
      [100, BLOCK - 100, { head: 1, tail: 0 }],
      [BLOCK, BLOCK, { head: 0, tail: 0 }],
      [100, 3 * BLOCK, { head: 1, tail: 1 }],
    ] as const) {
      const { blk, dbg } = await open();
      await blk.pwrite(offset, bytes(length, 'w'));
      const { head, tail } = expected;
      expect(steps(dbg)).toEqual({
        ...(head ? { pwritev_rmw_head: 1, pwritev_rmw_after_head: 1 } : {}),
        ...(tail ? { pwritev_rmw_tail: 1, pwritev_rmw_after_tail: 1 } : {}),
        pwritev: 1,
        pwritev_done: 1,
      });
      await blk.close();
    }
  });
});
