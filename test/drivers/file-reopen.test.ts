// A file node whose descriptor is replaced while it is in use, and its page cache after a take-over.
import {
  closeSync,
  fdatasyncSync,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { controlCall } from '../../lib/aio/control.js';
import { isFailure, type NativeDriverOptions } from '../../lib/aio/native-binding.js';
import { file as fileDriver } from '../../lib/drivers/file.js';
import { hostDevice } from '../../lib/drivers/host-device.js';
import { failureError } from '../../lib/errors/native-failure.js';
import { graph } from '../../lib/graph/graph.js';
import type { BlockNode } from '../../lib/graph/node.js';
import type { BackendSettings, BlockdevOptions } from '../../lib/index.js';
import { BlockBackend } from '../../lib/index.js';
import { lockedBytes, namesOf } from '../support/locks.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { describeMounted, remount, tinyTmpfs } from '../support/mounts.js';
import { codeOf, makeImage, openFlags } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';
import { until } from '../support/waiting.js';

const folder = realpathSync(scratchFolder());
/** A tmpfs: its pages are nowhere else, so they cannot be dropped. */
const livesInCache = statfsSync(folder).type === 0x01021994;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_RDWR = 2;
const CR = 1;
const W = 2;
const WU = 4;

const accessModes = (filename: string): number[] =>
  openFlags(filename).map((flags) => flags & O_ACCMODE);

/** Opens the descriptor of a quiet node again, as options and users ask for. */
async function reopen(
  node: BlockNode,
  wantsWrite: boolean,
  { commit = true, more = {} }: { commit?: boolean; more?: NativeDriverOptions } = {},
): Promise<void> {
  const { ring, binding } = graph().environment;
  const section = graph().drains.begin(() => [node]);
  await section.quiet();
  try {
    const options = { ...node.options, ...more };
    const result = await controlCall(ring, (slot) =>
      binding.nodeReopenPrepare(slot, node.handle, options, node.readOnly, wantsWrite),
    );
    if (isFailure(result)) throw failureError(result, { operation: 'reopen' });
    expect(binding.nodeReopenSettle(node.handle, commit)).toBe(0);
  } finally {
    section.end();
  }
}

onEveryEngineAndHome((context) => {
  const open = (
    options: BlockdevOptions | string,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> => BlockBackend.open(options, { context: context(), ...settings });
  const reading: BackendSettings = { permissions: namesOf(CR) };

  test('FILE-3: auto-read-only: read-only at first, writable for a writer, and back', async () => {
    const filename = makeImage(folder, 'auto.img', 65536);
    const options = { driver: 'file', filename, 'auto-read-only': true, 'node-name': 'auto' };
    await using reader = await open(options, reading);
    const node = reader.root as BlockNode;
    expect(accessModes(filename)).toEqual([O_RDONLY]);
    expect(await reader.pread(0, Buffer.alloc(512))).toBe(512);
    await reopen(node, true);
    await until(() => accessModes(filename).length === 1);
    expect(accessModes(filename)).toEqual([O_RDWR]);
    const writer = await open('auto');
    expect(await writer.pwrite(0, Buffer.alloc(4096, 7))).toBe(4096);
    const back = Buffer.alloc(4096);
    expect(await reader.pread(0, back)).toBe(4096);
    expect(back.equals(Buffer.alloc(4096, 7))).toBe(true);
    await writer.close();
    await reopen(node, false);
    await until(() => accessModes(filename).length === 1);
    expect(accessModes(filename)).toEqual([O_RDONLY]);
    expect(await reader.pread(0, back)).toBe(4096);
    expect(back[0]).toBe(7);
  });

  test('FILE-3: without auto-read-only it is writable from the start, unless it is read-only', async () => {
    const filename = makeImage(folder, 'plain.img', 4096);
    for (const [more, mode] of [
      [{}, O_RDWR],
      [{ 'auto-read-only': false }, O_RDWR],
      [{ 'read-only': true }, O_RDONLY],
      [{ 'read-only': true, 'auto-read-only': true }, O_RDONLY],
    ] as const) {
      await using blk = await open({ driver: 'file', filename, ...more }, reading);
      expect(blk.isClosed).toBe(false);
      expect(accessModes(filename)).toEqual([mode]);
    }
  });

  test('REOP-19: the locks of a node stay what they are when it is reopened', async () => {
    const filename = makeImage(folder, 'locked.img', 4096);
    const options = { driver: 'file', filename, 'auto-read-only': true };
    const settings = { permissions: namesOf(CR), shared: namesOf(CR | WU) };
    await using blk = await open(options, settings);
    const node = blk.root as BlockNode;
    const held = [100, 201, 203];
    expect(lockedBytes(filename)).toEqual(held);
    const writer = () => open({ driver: 'file', filename }, { permissions: namesOf(CR | W) });
    for (const wantsWrite of [true, false, true, false]) {
      await reopen(node, wantsWrite);
      expect(lockedBytes(filename)).toEqual(held);
      expect(await codeOf(writer())).toBe('EAGAIN');
    }
    await reopen(node, true, { commit: false });
    await until(() => accessModes(filename).length === 1);
    expect(accessModes(filename)).toEqual([O_RDONLY]);
    expect(lockedBytes(filename)).toEqual(held);
    await blk.close();
    expect(lockedBytes(filename)).toEqual([]);
    expect(accessModes(filename)).toEqual([]);
  });

  test('REOP-19: cache.direct changes with the descriptor', async () => {
    const filename = makeImage(folder, 'direct.img', 65536);
    await using blk = await open({ driver: 'file', filename });
    const node = blk.root as BlockNode;
    expect(blk.requestAlignment).toBe(1);
    await reopen(node, true, { more: { 'cache.direct': true } });
    const { ring, binding } = graph().environment;
    await controlCall(ring, (slot) => binding.nodeRefresh(slot, node.handle));
    await until(() => accessModes(filename).length === 1);
    expect((openFlags(filename)[0] ?? 0) & 0o40000).not.toBe(0);
    expect(blk.requestAlignment).toBeGreaterThan(1);
    expect(lockedBytes(filename)).toEqual([100, 101]);
    expect(await blk.pwrite(100, Buffer.alloc(100, 3))).toBe(100);
    const back = Buffer.alloc(100);
    expect(await blk.pread(100, back)).toBe(100);
    expect(back.equals(Buffer.alloc(100, 3))).toBe(true);
  });

  test('INACT-13: what another process wrote is seen after a take-over', async () => {
    const filename = makeImage(folder, 'taken.img', 65536);
    const options = { driver: 'file', filename, 'x-check-cache-dropped': !livesInCache };
    await using blk = await open(options);
    const { ring, binding } = graph().environment;
    const handle = (blk.root as BlockNode).handle;
    const invalidate = () => controlCall(ring, (slot) => binding.nodeInvalidate(slot, handle));
    // Dirty pages of our own must be written before they can be dropped.
    expect(await blk.pwrite(0, Buffer.alloc(4096, 1))).toBe(4096);
    expect(await invalidate()).toBe(0);
    const fd = openSync(filename, 'r+');
    writeSync(fd, Buffer.alloc(4096, 2), 0, 4096, 65536);
    fdatasyncSync(fd);
    closeSync(fd);
    expect(await invalidate()).toBe(0);
    // It has grown, too.
    expect(await blk.getLength()).toBe(statSync(filename).size);
    const data = Buffer.alloc(69632);
    expect(await blk.pread(0, data)).toBe(69632);
    const expected = Buffer.alloc(69632, 0x64).fill(1, 0, 4096).fill(2, 65536);
    expect(data.equals(expected)).toBe(true);
  });
});

test('REOP-18: only drop-cache and x-check-cache-dropped can change', () => {
  for (const { reopens } of [fileDriver, hostDevice]) {
    expect(reopens).toEqual(['drop-cache', 'x-check-cache-dropped']);
  }
});

const sealed = tinyTmpfs(1 << 20);

describeMounted('on a read-only file system', sealed, () => {
  test.each([
    [false, false, 'EACCES'],
    [false, true, 'none'],
    [true, false, 'none'],
    [true, true, 'none'],
  ])('FILE-4: read-only=%s, auto-read-only=%s: %s', async (readOnly, auto, code) => {
    remount(sealed, 'rw');
    const filename = makeImage(sealed.folder, 'unwritable.img', 4096);
    remount(sealed, 'ro');
    const options = {
      driver: 'file',
      filename,
      'read-only': readOnly,
      'auto-read-only': auto,
    };
    const open = (settings: BackendSettings) =>
      BlockBackend.open(options, settings).then(async (blk) => {
        expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
        await blk.close();
      });
    expect(await codeOf(open({ permissions: namesOf(CR) }))).toBe(code);
    // Whoever does want to write is refused in any case.
    const refused = readOnly ? 'EPERM' : 'EACCES';
    expect(await codeOf(open({ permissions: namesOf(CR | W) }))).toBe(refused);
  });
});

describeWith(['strace'], 'system calls of a reopen', () => {
  const program = (options: string, body: string) => `
    const context = new AioContext({ aio: 'threads' });
    const { graph } = require(process.cwd() + '/dist/graph/graph.js');
    const { controlCall } = require(process.cwd() + '/dist/aio/control.js');
    const blk = await BlockBackend.open({ driver: 'file', filename, ...${options} },
      { context, permissions: ['consistent-read'], shared: ['consistent-read'] });
    const { ring, binding } = graph().environment;
    const { handle, options } = blk.root;
    ${body}
    await blk.close();
    await context.close();`;

  test('REOP-19: the new descriptor is locked before the old one is unlocked and closed', async () => {
    const filename = makeImage(folder, 'order.img', 4096);
    const body = program(
      "{ 'auto-read-only': true }",
      `const section = await blk.drained();
      report(await controlCall(ring, (slot) =>
        binding.nodeReopenPrepare(slot, handle, options, false, true)));
      report(binding.nodeReopenSettle(handle, true));
      section.end();`,
    );
    const { lines, reported } = await traced(body, { filename, trace: 'fcntl,close,openat' });
    expect(reported).toEqual([0, 0]);
    const events = lines.flatMap((line) => {
      const lock = /fcntl\((\d+)<.*F_OFD_SETLK, \{l_type=F_(\w+), .*?l_start=(\d+)/.exec(line);
      if (lock !== null) return [`${lock[2]} ${lock[1]} ${lock[3]}`];
      const close = /close\((\d+)</.exec(line);
      return close === null ? [] : [`CLOSE ${close[1]}`];
    });
    const old = /RDLCK (\d+) 100/.exec(events[0] ?? '')?.[1];
    const fresh = events
      .map((event) => /RDLCK (\d+) /.exec(event)?.[1])
      .find((fd) => fd !== old && fd);
    expect(fresh).toBeDefined();
    for (const byte of [100, 201, 202, 203]) {
      const locked = events.indexOf(`RDLCK ${fresh} ${byte}`);
      const unlocked = events.indexOf(`UNLCK ${old} ${byte}`);
      expect(locked).toBeGreaterThan(0);
      expect(unlocked).toBeGreaterThan(events.lastIndexOf(`RDLCK ${fresh} ${byte}`));
      expect(events.indexOf(`CLOSE ${old}`)).toBeGreaterThan(unlocked);
    }
  });

  test.each([
    ['{}', ['fdatasync', 'fadvise64']],
    ["{ 'drop-cache': false }", []],
    ['{ cache: { direct: true } }', []],
  ])('INACT-13: with %s a take-over is %j', async (options, expected) => {
    const filename = makeImage(folder, 'advice.img', 4096);
    const body = program(
      options,
      'report(await controlCall(ring, (slot) => binding.nodeInvalidate(slot, handle)));',
    );
    const { calls, lines, reported } = await traced(body, {
      filename,
      trace: 'fdatasync,fadvise64',
    });
    expect(reported).toEqual([0]);
    expect(calls).toEqual(expected);
    for (const line of lines.slice(1)) expect(line).toContain('POSIX_FADV_DONTNEED');
  });
});
