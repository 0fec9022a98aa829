// Our locks against those of the genuine tools: whoever came first and whoever comes second, the
// verdict is the one that two genuine tools give each other.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend } from '../../lib/index.js';
import {
  asFormat,
  type Format,
  type Holder,
  holdWithOurs,
  holdWithTool,
  lockedBytes,
  type Mode,
  runTool,
  toolArguments,
  tryOurs,
  tryTool,
} from '../support/locks.js';
import { scratchFolder } from '../support/matrix.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const folder = realpathSync(scratchFolder());
const modes: readonly Mode[] = ['rw', 'ro', 'ro+force-share'];
const formats: readonly Format[] = ['raw', 'qcow2'];
let count = 0;

function newImage(format: Format): string {
  count += 1;
  const filename = join(folder, `image${count}.${format}`);
  const { status } = spawnSync('qemu-img', ['create', '-q', '-f', format, filename, '1M'], {
    env: foreignEnv(),
  });
  expect(status).toBe(0);
  return filename;
}

const openOurs = (format: Format, mode: Mode, filename: string): Promise<BlockBackend> => {
  const { options, settings } = asFormat(format, mode, filename);
  return BlockBackend.open(options, settings);
};

const refusedOurs = async (format: Format, mode: Mode, filename: string): Promise<boolean> => {
  const code = await tryOurs(() => openOurs(format, mode, filename));
  expect(['none', 'EAGAIN']).toContain(code);
  return code === 'EAGAIN';
};

describeWith(['qemu-io', 'qemu-img', 'qemu-nbd'], 'image locks and the genuine tools', () => {
  const pairs = formats.flatMap((format) =>
    modes.flatMap((first) => modes.map((second): [Format, Mode, Mode] => [format, first, second])),
  );

  test.each(pairs)('LOCK-9: %s, %s and then %s: all four ways agree', async (format, a, b) => {
    const filename = newImage(format);
    const genuine = () => holdWithTool('qemu-io', toolArguments(format, a, filename), filename);
    const { options, settings } = asFormat(format, a, filename);
    const ours = () => holdWithOurs(options, settings, filename);
    const held: number[][] = [];
    const verdicts: boolean[] = [];
    for (const hold of [genuine, ours]) {
      const holder: Holder = await hold();
      held.push(lockedBytes(filename));
      verdicts.push(!tryTool(format, b, filename).ok, await refusedOurs(format, b, filename));
      await holder.release();
      expect(lockedBytes(filename)).toEqual([]);
    }
    const [reference] = verdicts;
    expect(verdicts).toEqual([reference, reference, reference, reference]);
    const never = format === 'raw' || (a === 'ro' && b === 'ro');
    expect(reference).toBe(!never && a !== 'ro+force-share' && b !== 'ro+force-share');
    // LOCK-5: not only the verdict, but every byte.
    expect(held[1]).toEqual(held[0]);
  });

  test('LOCK-6: while we hold it as qcow2 read-write', async () => {
    const filename = newImage('qcow2');
    await using blk = await openOurs('qcow2', 'rw', filename);
    expect(blk.isClosed).toBe(false);
    for (const reader of [
      runTool('qemu-img', ['info', filename]),
      tryTool('qcow2', 'ro', filename),
    ]) {
      expect(reader.ok).toBe(false);
      expect(reader.text).toContain('Failed to get shared "write" lock');
    }
    const writer = tryTool('qcow2', 'rw', filename);
    expect(writer.ok).toBe(false);
    expect(writer.text).toContain('Failed to get "write" lock');
    expect(runTool('qemu-img', ['info', '-U', filename]).ok).toBe(true);
    expect(tryTool('qcow2', 'ro+force-share', filename).ok).toBe(true);
  });

  test('LOCK-6: while a genuine tool holds it as qcow2 read-write', async () => {
    const filename = newImage('qcow2');
    const args = toolArguments('qcow2', 'rw', filename);
    const holder = await holdWithTool('qemu-io', args, filename);
    await expect(openOurs('qcow2', 'ro', filename)).rejects.toThrow(
      'Failed to get shared "write" lock',
    );
    await expect(openOurs('qcow2', 'rw', filename)).rejects.toThrow('Failed to get "write" lock');
    expect(await refusedOurs('qcow2', 'ro+force-share', filename)).toBe(false);
    await holder.release();
    expect(await refusedOurs('qcow2', 'rw', filename)).toBe(false);
  });

  test('LOCK-6: while raw is held read-write everything works', async () => {
    const filename = newImage('raw');
    await using blk = await openOurs('raw', 'rw', filename);
    expect(blk.isClosed).toBe(false);
    for (const mode of modes)
      expect([mode, tryTool('raw', mode, filename).ok]).toEqual([mode, true]);
    expect(runTool('qemu-img', ['info', '-f', 'raw', filename]).ok).toBe(true);
  });

  test('LOCK-3: an exported image cannot be resized, by us no more than by qemu-img', async () => {
    const filename = newImage('raw');
    const socket = join(folder, 'nbd.sock');
    const args = ['-f', 'raw', '-t', '-k', socket, filename];
    const holder = await holdWithTool('qemu-nbd', args, filename);
    try {
      // 103 would be the holder's own wish to resize.
      expect(lockedBytes(filename)).toEqual(expect.arrayContaining([100, 101, 203]));
      const genuine = runTool('qemu-img', ['resize', '-f', 'raw', filename, '2M']);
      expect(genuine.ok).toBe(false);
      expect(genuine.text).toContain('Failed to get "resize" lock');
      const options = { driver: 'raw', file: { driver: 'file', filename } };
      await expect(BlockBackend.open(options, { resize: true })).rejects.toThrow(
        'Failed to get "resize" lock',
      );
      expect(await refusedOurs('raw', 'rw', filename)).toBe(false);
    } finally {
      await holder.kill();
    }
  });

  test('LOCK-12: a genuine holder that is killed leaves nothing locked for us', async () => {
    const filename = newImage('qcow2');
    const args = toolArguments('qcow2', 'rw', filename);
    const holder = await holdWithTool('qemu-io', args, filename);
    expect(await refusedOurs('qcow2', 'rw', filename)).toBe(true);
    await holder.kill();
    expect(await refusedOurs('qcow2', 'rw', filename)).toBe(false);
  });

  test('LOCK-12: nor does ours, killed, for a genuine one', async () => {
    const filename = newImage('qcow2');
    const { options, settings } = asFormat('qcow2', 'rw', filename);
    const holder = await holdWithOurs(options, settings, filename);
    expect(tryTool('qcow2', 'rw', filename).ok).toBe(false);
    await holder.kill();
    expect(tryTool('qcow2', 'rw', filename).ok).toBe(true);
  });

  test('LOCK-5: locking=off opens what a genuine tool holds', async () => {
    const filename = newImage('qcow2');
    const args = toolArguments('qcow2', 'rw', filename);
    const holder = await holdWithTool('qemu-io', args, filename);
    const before = lockedBytes(filename);
    const options = { driver: 'file', filename, locking: 'off' };
    await using blk = await BlockBackend.open(options);
    expect(blk.isClosed).toBe(false);
    expect(lockedBytes(filename)).toEqual(before);
    await holder.release();
  });
});
