// The locks that our nodes take on their files, seen through the kernel.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendSettings, BlockdevOptions } from '../../lib/index.js';
import { BlockBackend } from '../../lib/index.js';
import {
  asFormat,
  bytesOf,
  holdWithOurs,
  kernelLocks,
  lockedBytes,
  locksOfInode,
  type Mode,
  namesOf,
  tryOurs,
} from '../support/locks.js';
import { attachLoop, describeWithLoop, detachLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const folder = realpathSync(scratchFolder());
const CR = 1;
const W = 2;
const WU = 4;
const RZ = 8;
const ALL = 15;

/** A process of another kind that locks bytes [start, start + length), and asks nobody. */
async function foreignLock(filename: string, type: 'RD' | 'WR', start: number, length: number) {
  const code = `
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
lock = struct.pack('hhqqi', fcntl.F_${type}LCK, 0, ${start}, ${length}, 0)
fcntl.fcntl(fd, 37, lock)
print('locked', flush=True)
sys.stdin.read()`;
  const child = spawn('python3', ['-c', code, filename], { env: foreignEnv() });
  const closed = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), closed]);
  if (child.exitCode !== null) throw new Error('python3 could not lock');
  return {
    async release() {
      child.stdin.end();
      await closed;
    },
  };
}

onEveryEngineAndHome((context) => {
  const open = (
    options: BlockdevOptions | string,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> => BlockBackend.open(options, { context: context(), ...settings });
  const file = (filename: string, more = {}): BlockdevOptions => ({
    driver: 'file',
    filename,
    ...more,
  });
  const pair = (permissions: number, shared: number): BackendSettings => ({
    permissions: namesOf(permissions),
    shared: namesOf(shared),
  });

  test('LOCK-1: byte 100+i is locked while bit i is held, 200+i while it is not shared', async () => {
    const filename = makeImage(folder, 'bytes.img', 4096);
    for (let permissions = 0; permissions <= ALL; permissions += 1) {
      for (let shared = 0; shared <= ALL; shared += 1) {
        await using blk = await open(file(filename), pair(permissions, shared));
        expect([permissions, shared, ...lockedBytes(filename)]).toEqual([
          permissions,
          shared,
          ...bytesOf(permissions, shared),
        ]);
        expect(blk.isClosed).toBe(false);
      }
    }
    expect(lockedBytes(filename)).toEqual([]);
  });

  test('LOCK-2: they are read locks of the open file description', async () => {
    const filename = makeImage(folder, 'kind.img', 4096);
    await using blk = await open(file(filename), pair(CR | W | RZ, CR | WU));
    expect(blk.root?.name).toBeDefined();
    expect(kernelLocks(filename)).toEqual([
      { kind: 'OFDLCK', type: 'READ', start: 100, end: 101 },
      { kind: 'OFDLCK', type: 'READ', start: 103, end: 103 },
      { kind: 'OFDLCK', type: 'READ', start: 201, end: 201 },
      { kind: 'OFDLCK', type: 'READ', start: 203, end: 203 },
    ]);
  });

  test('LOCK-3: what two users need and share decides, bit by bit', async () => {
    const filename = makeImage(folder, 'rule.img', 4096);
    for (let bit = CR; bit <= RZ; bit <<= 1) {
      {
        await using refuses = await open(file(filename), pair(0, ALL & ~bit));
        expect(refuses.isClosed).toBe(false);
        expect(await codeOf(open(file(filename), pair(bit, ALL)))).toBe('EAGAIN');
        await using others = await open(file(filename), pair(ALL & ~bit, ALL & ~bit));
        expect(others.isClosed).toBe(false);
      }
      await using needs = await open(file(filename), pair(bit, ALL));
      expect(needs.isClosed).toBe(false);
      expect(await codeOf(open(file(filename), pair(0, ALL & ~bit)))).toBe('EAGAIN');
      await using others = await open(file(filename), pair(ALL, bit));
      expect(others.isClosed).toBe(false);
    }
  });

  test('LOCK-4: giving things up cannot fail, whatever others have done', async () => {
    const filename = makeImage(folder, 'looser.img', 4096);
    const strict = await open(file(filename, { 'node-name': 'looser' }), pair(CR, ALL));
    const more = await open('looser', pair(CR | W, ALL));
    // Others, who did not ask, hold what this node does not share.
    const rude = await foreignLock(filename, 'RD', 200, 4);
    try {
      await more.close();
      expect(lockedBytes(filename)).toEqual([100, 200, 201, 202, 203]);
      // The opposite would have failed.
      expect(await codeOf(open('looser', pair(CR | W, ALL)))).toBe('EAGAIN');
      await strict.close();
    } finally {
      await rude.release();
    }
    expect(lockedBytes(filename)).toEqual([]);
  });

  test.each<[string, BlockdevOptions, BackendSettings, number[]]>([
    ['raw read-write', {} as BlockdevOptions, {}, [100, 101]],
    ['raw read-only', { 'read-only': true } as never, {}, [100]],
    ['as qcow2 read-write', {} as never, pair(CR | W | RZ, CR | WU), [100, 101, 103, 201, 203]],
    ['as qcow2 read-only', { 'read-only': true } as never, pair(CR, CR | WU), [100, 201, 203]],
    [
      'as qcow2 read-only force-share',
      { 'read-only': true, 'force-share': true } as never,
      pair(CR, CR | WU),
      [100],
    ],
    ['as the backing file of an overlay', {} as never, pair(CR, CR | WU), [100, 201, 203]],
  ])('LOCK-5: %s', async (_title, more, settings, bytes) => {
    const filename = makeImage(folder, 'pattern.img', 4096);
    await using blk = await open({ ...more, driver: 'raw', file: file(filename) }, settings);
    expect(blk.isClosed).toBe(false);
    expect(lockedBytes(filename)).toEqual(bytes);
  });

  test('LOCK-5: locking=off locks nothing and minds nobody', async () => {
    const filename = makeImage(folder, 'off.img', 4096);
    await using blk = await open(file(filename, { locking: 'off' }), pair(ALL, 0));
    expect(lockedBytes(filename)).toEqual([]);
    await using other = await open(file(filename), pair(ALL, 0));
    expect(lockedBytes(filename)).toEqual(bytesOf(ALL, 0));
    await using third = await open(file(filename, { locking: 'off' }), pair(ALL, 0));
    expect([blk, other, third].map(({ isClosed }) => isClosed)).toEqual([false, false, false]);
  });

  test('LOCK-8: the error names the lock and the image, and hints at other users', async () => {
    const filename = makeImage(folder, 'sentence.img', 4096);
    await using blk = await open(file(filename), pair(CR | W | RZ, CR | WU));
    expect(blk.isClosed).toBe(false);
    const failure = (settings: BackendSettings) =>
      open(file(filename, { 'node-name': 'second' }), settings).then(
        () => undefined,
        (error: Error & { code: string; errno: number; node: string }) => error,
      );
    const write = await failure(pair(CR | W, ALL));
    expect(write).toMatchObject({ code: 'EAGAIN', errno: -11, node: 'second' });
    expect(write?.message).toContain('Failed to get "write" lock');
    const resize = await failure(pair(CR | RZ, ALL));
    expect(resize?.message).toContain('Failed to get "resize" lock');
    const shared = await failure(pair(CR, CR | WU));
    expect(shared?.message).toContain('Failed to get shared "write" lock');
    for (const error of [write, resize, shared]) {
      expect(error?.message).toContain(`'${filename}' may be in use by another process`);
      expect(error?.message).not.toMatch(/unavailable|denied/i);
    }
  });

  const modes: readonly Mode[] = ['rw', 'ro', 'ro+force-share'];
  const pairs = modes.flatMap((first) => modes.map((second): [Mode, Mode] => [first, second]));

  test.each(pairs)('LOCK-9: two nodes of one process, as qcow2: %s, then %s', async (a, b) => {
    const filename = makeImage(folder, 'nodes.img', 4096);
    const [first, second] = [asFormat('qcow2', a, filename), asFormat('qcow2', b, filename)];
    await using blk = await open(first.options, first.settings);
    expect(blk.isClosed).toBe(false);
    const refused = a !== 'ro+force-share' && b !== 'ro+force-share' && (a === 'rw' || b === 'rw');
    const attempt = tryOurs(() => open(second.options, second.settings));
    expect(await attempt).toBe(refused ? 'EAGAIN' : 'none');
  });

  test('PERM-28: two nodes on one file conflict like two processes', async () => {
    const filename = makeImage(folder, 'one-process.img', 4096);
    await using first = await open(file(filename), pair(CR | W, CR | WU | RZ));
    const second = () => open(file(filename), pair(CR | W, ALL));
    const before = lockedBytes(filename);
    expect(await codeOf(second())).toBe('EAGAIN');
    expect(lockedBytes(filename)).toEqual(before);
    expect(await first.pwrite(0, Buffer.alloc(512))).toBe(512);
    await first.close();
    await using later = await second();
    expect(later.isClosed).toBe(false);
  });

  test('LOCK-11: another name of the file is the same file', async () => {
    const filename = makeImage(folder, 'target.img', 4096);
    const name = join(folder, 'link.img');
    symlinkSync(filename, name);
    try {
      for (const [first, second] of [
        [filename, name],
        [name, filename],
      ] as const) {
        await using blk = await open(file(first), pair(CR | W, CR));
        expect(blk.isClosed).toBe(false);
        expect(await codeOf(open(file(second), pair(CR | W, ALL)))).toBe('EAGAIN');
      }
    } finally {
      unlinkSync(name);
    }
  });

  test('LOCK-12: closing releases everything, even of a file that was deleted', async () => {
    const filename = makeImage(folder, 'deleted.img', 4096);
    const { ino } = statSync(filename);
    const first = await open(file(filename, { 'node-name': 'deleted' }), pair(CR, ALL));
    const second = await open('deleted', pair(CR | W | RZ, CR | WU));
    expect(lockedBytes(filename)).toEqual([100, 101, 103, 201, 203]);
    unlinkSync(filename);
    await second.close();
    expect(locksOfInode(ino).map(({ start, end }) => [start, end])).toEqual([[100, 100]]);
    await first.close();
    expect(locksOfInode(ino)).toEqual([]);
  });

  test('LOCK-14: a node that holds nothing and shares all has locked nothing', async () => {
    const filename = makeImage(folder, 'idle.img', 4096);
    await using blk = await open(file(filename), pair(0, ALL));
    expect(blk.isClosed).toBe(false);
    expect(lockedBytes(filename)).toEqual([]);
  });

  test('LOCK-15: byte 0, and all below 100, belong to others', async () => {
    const filename = makeImage(folder, 'low.img', 4096);
    const other = await foreignLock(filename, 'WR', 0, 100);
    try {
      await using blk = await open(file(filename), pair(ALL, 0));
      expect(await blk.pwrite(0, Buffer.alloc(512, 1))).toBe(512);
      const ours = kernelLocks(filename).filter(({ type }) => type === 'READ');
      expect(ours.map(({ start, end }) => [start, end])).toEqual([
        [100, 103],
        [200, 203],
      ]);
    } finally {
      await other.release();
    }
  });

  test('LOCK-16: a change that fails leaves the locks as they were', async () => {
    const filename = makeImage(folder, 'failing.img', 4096);
    await using strict = await open(file(filename), pair(CR, CR | WU | RZ));
    const name = { 'node-name': 'failing' };
    await using blk = await open(file(filename, name), pair(CR | WU, ALL));
    expect([strict.isClosed, blk.isClosed]).toEqual([false, false]);
    const before = kernelLocks(filename);
    expect(lockedBytes(filename)).toEqual([100, 100, 102, 201]);
    // RZ could be had, W cannot; CR could be refused to nobody.
    for (const settings of [pair(CR | W, ALL), pair(RZ | W, ALL), pair(CR | RZ, 0)]) {
      expect(await codeOf(open('failing', settings))).toMatch(/EAGAIN|EPERM/);
      expect(kernelLocks(filename)).toEqual(before);
    }
    await using fine = await open('failing', pair(CR | RZ, ALL));
    expect(fine.isClosed).toBe(false);
    expect(lockedBytes(filename)).toEqual([100, 100, 102, 103, 201]);
  });

  test('LOCK-12: kill -9 frees the locks', async () => {
    const filename = makeImage(folder, 'killed.img', 4096);
    const { options, settings } = asFormat('qcow2', 'rw', filename);
    const holder = await holdWithOurs(options, settings, filename);
    expect(lockedBytes(filename)).toEqual([100, 101, 103, 201, 203]);
    expect(await tryOurs(() => open(options, settings))).toBe('EAGAIN');
    await holder.kill();
    expect(lockedBytes(filename)).toEqual([]);
    expect(await tryOurs(() => open(options, settings))).toBe('none');
  });
});

describeWithLoop('on devices', () => {
  test('LOCK-1: the device file is locked like a regular file', async () => {
    const device = attachLoop(makeImage(folder, 'device.img', 1 << 20));
    try {
      const settings = { permissions: namesOf(CR | W | RZ), shared: namesOf(CR | WU) };
      const options = { driver: 'host_device', filename: device };
      await using blk = await BlockBackend.open(options, settings);
      expect(blk.isClosed).toBe(false);
      expect(lockedBytes(device)).toEqual([100, 101, 103, 201, 203]);
      expect(await codeOf(BlockBackend.open(options))).toBe('EAGAIN');
    } finally {
      detachLoop(device);
    }
  });

  test.each([false, true])(
    'FILE-5: a device that is read-only, auto-read-only=%s',
    async (auto) => {
      const device = attachLoop(makeImage(folder, `sealed${auto}.img`, 1 << 20), '--read-only');
      try {
        const options = { driver: 'host_device', filename: device, 'auto-read-only': auto };
        const reading = { permissions: namesOf(CR) };
        const attempt = codeOf(BlockBackend.open(options, reading).then((blk) => blk.close()));
        expect(await attempt).toBe(auto ? 'none' : 'EACCES');
        await using blk = await BlockBackend.open({ ...options, 'read-only': true });
        expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
      } finally {
        detachLoop(device);
      }
    },
  );
});

describeWith(['python3'], 'a kernel without locks of open file descriptions', () => {
  const forbidden = ['python3', join(__dirname, '../support/forbid-ofd-locks.py')];
  const hold = async (locking: string, filename: string) => {
    const options = { driver: 'file', filename, locking };
    const settings = { permissions: namesOf(CR | W), shared: namesOf(CR) };
    const holder = await holdWithOurs(options, settings, filename, forbidden);
    const locks = kernelLocks(filename);
    // Others can still tell, as far as there are locks.
    const code = await tryOurs(() => BlockBackend.open({ driver: 'file', filename }));
    await holder.release();
    return { locks, code, errors: holder.errors() };
  };

  test('LOCK-10: locking=on takes POSIX locks, with one warning', async () => {
    const { locks, code, errors } = await hold('on', makeImage(folder, 'posix.img', 4096));
    expect(locks).toEqual([
      { kind: 'POSIX', type: 'READ', start: 100, end: 101 },
      { kind: 'POSIX', type: 'READ', start: 201, end: 203 },
    ]);
    expect(code).toBe('EAGAIN');
    expect(errors.match(/BLOCK_PROCESS_LOCKS/g)?.length).toBe(1);
  });

  test.each(['auto', 'off'])(
    'LOCK-10: locking=%s locks nothing, and says nothing',
    async (locking) => {
      const { locks, code, errors } = await hold(locking, makeImage(folder, 'none.img', 4096));
      expect([locks, code, errors]).toEqual([[], 'none', '']);
    },
  );
});

describeWith(['strace'], 'system calls of locks', () => {
  let filename: string;
  beforeEach(() => {
    filename = makeImage(folder, 'traced.img', 4096);
  });

  /** 'OFD_SETLK RDLCK 100' */
  function lockCalls(lines: readonly string[]): string[] {
    return lines.flatMap((line) => {
      const call = /F_(\w*[GS]ETLK), \{l_type=F_(\w+), .*?l_start=(\d+)/.exec(line);
      return call === null ? [] : [`${call[1]} ${call[2]} ${call[3]}`];
    });
  }
  const program = (options: string, settings: string, body = '') => `
    const context = new AioContext({ aio: 'threads' });
    const open = (more) =>
      BlockBackend.open({ driver: 'file', filename, ...${options} }, { context, ...more });
    const blk = await open(${settings});
    ${body}
    await blk.close();
    await context.close();`;
  const run = (body: string, inject?: string) =>
    traced(body, { filename, trace: 'fcntl', ...(inject === undefined ? {} : { inject }) });
  const AS_QCOW2 =
    "{ permissions: ['consistent-read', 'write', 'resize'], shared: ['consistent-read', 'write-unchanged'] }";
  const READING = "{ permissions: ['consistent-read'] }";

  test('LOCK-3: all bytes are locked before the first question is asked', async () => {
    const { lines } = await run(program('{}', AS_QCOW2));
    const [probe, ...calls] = lockCalls(lines);
    expect(probe).toMatch(/^OFD_GETLK/);
    const locks = [100, 101, 103, 201, 203].map((byte) => `OFD_SETLK RDLCK ${byte}`);
    expect(calls.slice(0, 5).sort()).toEqual(locks);
    // strace shows what a question was answered: the byte was free.
    const asked = calls.slice(5, 10);
    expect(asked.map((call) => call.replace(/LK \w+/, 'LK'))).toEqual(
      [200, 201, 203, 101, 103].map((byte) => `OFD_GETLK ${byte}`),
    );
    expect(calls.slice(10).sort()).toEqual(locks.map((call) => call.replace('RDLCK', 'UNLCK')));
  });

  test('LOCK-14: where nothing is held nothing is locked, asked or unlocked', async () => {
    const { lines } = await run(program('{}', '{ permissions: [] }'));
    expect(lockCalls(lines).filter((call) => !call.startsWith('OFD_GETLK'))).toEqual([]);
    expect(lockCalls(lines).length).toBe(1);
    const off = await run(program("{ locking: 'off' }", AS_QCOW2));
    expect(lockCalls(off.lines)).toEqual([]);
  });

  test('LOCK-8: EACCES says the same as EAGAIN', async () => {
    const body = `
      const context = new AioContext({ aio: 'threads' });
      await BlockBackend.open({ driver: 'file', filename }, { context, ...${READING} })
        .catch(({ code, message }) => report([code, message]));
      await context.close();`;
    // Injections count per thread: the second call of the one that owns the graph asks for byte 200.
    const { reported } = await run(body, 'fcntl:error=EACCES:when=2');
    const [[code, message]] = reported as [[string, string]];
    expect(code).toBe('EAGAIN');
    expect(message).toContain('Failed to get "consistent read" lock');
    expect(message).not.toMatch(/denied/);
    const other = await run(body, 'fcntl:error=ENOLCK:when=2');
    const [[otherCode, otherMessage]] = other.reported as [[string, string]];
    expect(otherCode).toBe('ENOLCK');
    expect(otherMessage).toMatch(/cannot lock byte 100 of .*no locks available/i);
  });

  test('LOCK-13: an unlock that fails is one warning and no error', async () => {
    // Injections count per thread. The one that owns the graph locks 100, asks for 200, unlocks 100.
    const { lines, stderr } = await run(program('{}', READING), 'fcntl:error=EIO:when=3');
    expect(lockCalls(lines).slice(3)).toContain('OFD_SETLK UNLCK 100');
    expect(stderr.match(/BLOCK_UNLOCK_FAILED/g)?.length).toBe(1);
    expect(lockedBytes(filename)).toEqual([]);
  });
});
