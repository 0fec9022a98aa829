// What a reopen makes of options: given, kept, inherited, reset, refused.
import { graph } from '../../lib/graph/graph.js';
import { OptionBag } from '../../lib/graph/option-bag.js';
import { reopen as reopenEntries } from '../../lib/graph/reopen.js';
import { planReopen } from '../../lib/graph/reopen-plan.js';
import {
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevReopen,
  graphDump,
  probe,
} from '../../lib/index.js';
import { clearGraph, nodeOf, refused, underLoad } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';

const MIB = 1 << 20;
const READER = { permissions: ['consistent-read'] } as const;

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const open = (node: string, settings = {}) =>
    BlockBackend.open(node, { context: context(), ...settings });
  const reopen = (...options: Partial<BlockdevOptions>[]) =>
    blockdevReopen(options as BlockdevOptions[]);

  /** What operations inside do: options that are not given stay as they were asked for. */
  const keep = (name: string, options: Partial<BlockdevOptions>) =>
    graph().lock.run('keep', (change) => {
      const bag = OptionBag.from(options as { readonly [name: string]: unknown });
      return reopenEntries(
        graph(),
        planReopen(graph(), [{ node: nodeOf(name), bag }], 'keep'),
        change,
      );
    });

  const addFamily = () =>
    blockdevAdd({
      driver: 'x-probe',
      'node-name': 'top',
      cache: { 'no-flush': true },
      file: { driver: 'x-probe', 'node-name': 'own', cache: { 'no-flush': false }, note: 'own' },
      backing: { driver: 'x-probe', 'node-name': 'taken' },
    });
  const flags = () =>
    ['top', 'own', 'taken'].map((name) => nodeOf(name).state).map(({ noFlush }) => noFlush);

  test('REOP-3: given now, then (kept) given before, then inherited, then what it was', async () => {
    await addFamily();
    const blk = await open('top', READER);
    expect(flags()).toEqual([true, false, true]);
    // Inherited anew where nothing was given; given before wins where it was.
    await keep('top', { 'cache.no-flush': false });
    expect(flags()).toEqual([false, false, false]);
    await keep('top', { 'cache.no-flush': true });
    expect(flags()).toEqual([true, false, true]);
    // Given now wins over both, and from now on it was given before.
    await keep('taken', { 'cache.no-flush': false });
    await keep('own', { 'cache.no-flush': true });
    expect(flags()).toEqual([true, true, false]);
    await keep('top', {});
    expect(flags()).toEqual([true, true, false]);
    expect(probe('own').note).toBe('own');
    expect(await blk.pread(0, Buffer.alloc(1))).toBe(1);
  });

  test('REOP-3: a parent and its child in one call, in any order: what is given for the child holds', async () => {
    await blockdevAdd({
      driver: 'x-probe',
      'node-name': 'top',
      file: { driver: 'x-probe', 'node-name': 'inner', note: 'old' },
    });
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'other' });
    await open('top', READER);
    const top = (readOnly: boolean) => ({
      'node-name': 'top',
      file: 'inner',
      'read-only': readOnly,
      cache: { 'no-flush': readOnly },
    });
    const inner = (note: string) => ({ 'node-name': 'inner', note });
    const now = () => {
      const { readOnly, noFlush } = nodeOf('inner').state;
      return [probe('inner').note, readOnly, noFlush];
    };
    await reopen(inner('first'), top(true));
    expect(now()).toEqual(['first', true, true]);
    await reopen(top(false), inner('second'));
    expect(now()).toEqual(['second', false, false]);
    const commits = probe('inner').calls('reopenCommit');
    await reopen({ ...inner('third'), backing: 'other' }, top(true), { 'node-name': 'other' });
    expect(now()).toEqual(['third', true, true]);
    expect(nodeOf('inner').backing?.child.name).toBe('other');
    // Each node is prepared and committed once, however often it is concerned.
    expect(probe('inner').calls('reopenCommit') - commits).toBe(1);
  });

  test('REOP-3: where nothing is given or inherited, it stays what it was', async () => {
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'n', size: 2 * MIB, 'read-only': true });
    const { state } = nodeOf('n');
    await keep('n', {});
    expect(nodeOf('n').state).toEqual(state);
  });

  test('REOP-4: the command resets what is omitted, in given children too; the other mode keeps it', async () => {
    await blockdevAdd({
      driver: 'x-probe',
      'node-name': 'top',
      note: 'mine',
      discard: 'unmap',
      'detect-zeroes': 'unmap',
      file: { driver: 'x-probe', 'node-name': 'inner', note: 'below', size: 2 * MIB },
    });
    const blk = await open('top');
    const now = () => [probe('top').note, nodeOf('top').state.detectZeroes, probe('inner').note];
    await underLoad(blk, () => keep('top', { 'auto-read-only': true }));
    expect(now()).toEqual(['mine', 'unmap', 'below']);
    expect(nodeOf('top').state.autoReadOnly).toBe(true);
    await underLoad(blk, () => reopen({ driver: 'x-probe', 'node-name': 'top', file: 'inner' }));
    expect(now()).toEqual(['', 'off', 'below']);
    expect(nodeOf('top').state).toMatchObject({ discardUnmap: false, autoReadOnly: false });
    expect(nodeOf('inner').options.size).toBe(2 * MIB);
    await underLoad(blk, () =>
      reopen({ 'node-name': 'top', file: { driver: 'x-probe', 'node-name': 'inner' } }),
    );
    expect(now()).toEqual(['', 'off', '']);
    expect(nodeOf('inner').options.size).toBe(MIB);
  });

  test('REOP-5: an omitted option that cannot be reset is refused; common ones may be omitted', async () => {
    const filename = image(MIB);
    await blockdevAdd({
      driver: 'file',
      'node-name': 'file',
      filename,
      locking: 'off',
      'read-only': true,
      'auto-read-only': true,
      discard: 'unmap',
      'detect-zeroes': 'unmap',
      cache: { 'no-flush': true },
    });
    const blk = await open('file', READER);
    const full = { 'node-name': 'file', driver: 'file', filename, locking: 'off' };
    for (const name of ['locking', 'filename']) {
      const { [name]: _omitted, ...options } = full as Record<string, string>;
      const error = await refused(() => reopen(options));
      expect([error.code, error.message]).toEqual(['EINVAL', expect.stringContaining(name)]);
    }
    const { 'node-name': _name, ...nameless } = full;
    expect((await refused(() => reopen(nameless))).message).toMatch(/'node-name' is missing/);
    expect((await refused(() => reopen({ ...full, 'node-name': 'nobody' }))).code).toBe('ENOENT');
    await reopen(full);
    expect(nodeOf('file').readOnly).toBe(true);
    expect(nodeOf('file').state).toMatchObject({
      discardUnmap: false,
      detectZeroes: 'off',
      noFlush: false,
      autoReadOnly: false,
    });
    expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('REOP-6: driver, node-name, filename, aio, locking and size (null) cannot change', async () => {
    const filename = image(MIB);
    const other = image(MIB);
    await blockdevAdd({ driver: 'file', 'node-name': 'file', filename });
    await blockdevAdd({ driver: 'null-co', 'node-name': 'null', size: MIB });
    const blk = await open('file');
    const file = { 'node-name': 'file', driver: 'file', filename };
    const wrong: [Partial<BlockdevOptions>, string][] = [
      [{ ...file, driver: 'raw' }, 'driver'],
      [{ ...file, driver: '' }, 'driver'],
      [{ ...file, filename: other }, 'filename'],
      [{ ...file, aio: 'threads' }, 'aio'],
      [{ ...file, locking: 'off' }, 'locking'],
      [{ 'node-name': 'null', size: 2 * MIB }, 'size'],
      [{ 'node-name': 'null' }, 'size'],
    ];
    await underLoad(blk, async () => {
      for (const [options, name] of wrong) {
        const error = await refused(() => reopen(options));
        expect([error.code, error.message]).toEqual(['EINVAL', expect.stringContaining(name)]);
      }
      // The name selects the node; another one is another node, or none.
      expect((await refused(() => reopen({ ...file, 'node-name': 'file2' }))).code).toBe('ENOENT');
      await reopen(file, { 'node-name': 'null', size: MIB });
    });
    expect(graphDump().nodes.map(({ name, driver }) => [name, driver])).toEqual([
      ['file', 'file'],
      ['null', 'null-co'],
    ]);
  });

  test('REOP-8: detect-zeroes=unmap needs discard=unmap, and the old value stays', async () => {
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'n', 'detect-zeroes': 'on' });
    const blk = await open('n');
    await underLoad(blk, async () => {
      const unmap = { 'node-name': 'n', 'detect-zeroes': 'unmap' } as const;
      expect((await refused(() => reopen(unmap))).code).toBe('EINVAL');
      expect(nodeOf('n').state.detectZeroes).toBe('on');
      const ignore = { ...unmap, discard: 'ignore' } as const;
      expect((await refused(() => reopen(ignore))).code).toBe('EINVAL');
      expect(nodeOf('n').state.detectZeroes).toBe('on');
      await reopen({ ...unmap, discard: 'unmap' });
      expect(nodeOf('n').state.detectZeroes).toBe('unmap');
      // Omitted: off again, and with it discard.
      await reopen({ 'node-name': 'n' });
      expect(nodeOf('n').state.detectZeroes).toBe('off');
    });
  });

  test('REOP-16: force-share cannot be changed, on or off', async () => {
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'ro', 'read-only': true });
    await blockdevAdd({
      driver: 'x-probe',
      'node-name': 'shared',
      'read-only': true,
      'force-share': true,
    });
    await open('ro', READER);
    const readOnly = { 'read-only': true };
    for (const options of [
      { 'node-name': 'ro', ...readOnly, 'force-share': true },
      { 'node-name': 'shared', ...readOnly, 'force-share': false },
    ]) {
      const error = await refused(() => reopen(options));
      expect([error.code, error.message]).toEqual(['EINVAL', expect.stringMatching('force-share')]);
    }
    await reopen({ 'node-name': 'shared', ...readOnly, 'force-share': true });
  });

  test('REOP-18: file: only drop-cache and x-check-cache-dropped can change', async () => {
    const filename = image(MIB);
    const file = { 'node-name': 'file', driver: 'file', filename };
    await blockdevAdd(file);
    const blk = await open('file');
    await underLoad(blk, async () => {
      await reopen({ ...file, 'drop-cache': false, 'x-check-cache-dropped': true });
      expect(nodeOf('file').options).toMatchObject({
        'drop-cache': false,
        'x-check-cache-dropped': true,
      });
      for (const wrong of [{ aio: 'threads' }, { locking: 'on' }, { filename: image(MIB) }]) {
        expect((await refused(() => reopen({ ...file, ...wrong }))).code).toBe('EINVAL');
      }
      await reopen(file);
      expect(nodeOf('file').options).toMatchObject({
        'drop-cache': true,
        'x-check-cache-dropped': false,
      });
    });
  });
});
