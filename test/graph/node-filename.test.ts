// Names of nodes, rebuilt from what they are, and what the genuine program calls the same nodes.
import { filenameOf } from '../../lib/graph/node-filename.js';
import { BlockBackend, type BlockdevOptions, blockdevAdd } from '../../lib/index.js';
import { comparable } from '../support/comparable.js';
import { type Setup, setUpGenuine, withSetup } from '../support/genuine-nodes.js';
import { STORAGE_DAEMON, startStorageDaemon, withGenuine } from '../support/genuine-qemu.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { image } from '../support/images.js';
import { describeWith } from '../support/tools.js';

const MIB = 1 << 20;

afterEach(clearGraph);

describe('filenames of nodes', () => {
  test('QRY-11: a plain path where options allow, else json: and options', async () => {
    const filename = image(MIB);
    const file = { driver: 'file', filename };
    const nameOf = async (options: BlockdevOptions): Promise<string> => {
      await using blk = await BlockBackend.open(options);
      return blk.root === undefined ? '' : filenameOf(blk.root);
    };
    expect(await nameOf(file)).toBe(filename);
    expect(await nameOf({ driver: 'raw', file })).toBe(filename);
    expect(await nameOf({ driver: 'null-co' })).toBe('null-co://');
    expect(await nameOf({ driver: 'null-co', 'latency-ns': 5 })).toBe('null-co://');
    expect(await nameOf({ driver: 'null-co', 'read-zeroes': true })).toBe(
      'json:{"driver": "null-co", "read-zeroes": true}',
    );
    // As far as somebody gave it, be it the default.
    expect(await nameOf({ driver: 'raw', offset: 0, file })).toBe(
      `json:{"driver": "raw", "offset": 0, "file": {"driver": "file", "filename": "${filename}"}}`,
    );
  });

  test('QRY-11: what the name says opens the same again', async () => {
    const file = { driver: 'file', filename: image(MIB, Buffer.from('abcdefgh')) };
    for (const options of [
      { driver: 'raw', offset: 512, size: 1024, file },
      { driver: 'raw', file: { driver: 'blkdebug', align: 512, image: file } },
      { driver: 'blkdebug', image: file, 'inject-error': [{ event: 'flush_to_disk' }] },
      { driver: 'copy-on-read', file: { driver: 'raw', file } },
    ]) {
      const name = async (opened: string | BlockdevOptions): Promise<string> => {
        await using blk = await BlockBackend.open(
          typeof opened === 'string' ? { filename: opened } : opened,
        );
        return blk.root === undefined ? '' : filenameOf(blk.root);
      };
      const first = await name(options);
      expect(await name(first)).toBe(first);
    }
  });

  test('QRY-11: another backing file than the header names takes more than a path', async () => {
    const base = image(MIB);
    const file = { driver: 'file', filename: image(MIB) };
    const roles = { roles: { file: 'data,metadata,primary', backing: 'cow' } };
    const overlay = { driver: 'x-probe', ...roles, 'backing-filename': base, file };
    const nameOf = async (options: BlockdevOptions): Promise<string> => {
      await using blk = await BlockBackend.open(options);
      return blk.root === undefined ? '' : filenameOf(blk.root);
    };
    const { filename } = file;
    const below = `"file": {"driver": "file", "filename": "${filename}"}`;
    expect(await nameOf(overlay)).toBe(filename);
    expect(await nameOf({ ...overlay, backing: null })).toBe(
      `json:{"driver": "x-probe", "backing": null, ${below}}`,
    );
    const other = { driver: 'null-co' };
    expect(await nameOf({ ...overlay, backing: other })).toBe(
      `json:{"driver": "x-probe", ${below}, "backing": {"driver": "null-co"}}`,
    );
    const raw = { driver: 'raw', file: { driver: 'file', filename: base } };
    expect(await nameOf({ ...overlay, backing: raw })).toBe(filename);
  });

  test('QRY-11: the name of a long chain takes no longer than the chain', async () => {
    await blockdevAdd({ driver: 'null-co', 'node-name': 'n0' });
    for (let depth = 1; depth <= 60; depth += 1) {
      await blockdevAdd({ driver: 'x-probe', 'node-name': `n${depth}`, backing: `n${depth - 1}` });
    }
    expect(filenameOf(nodeOf('n60')).match(/x-probe/g)).toHaveLength(60);
  });

  test('QRY-11: a name has an end, however often nodes show in it', async () => {
    await blockdevAdd({ driver: 'null-co', 'node-name': 'n0', 'read-zeroes': true });
    for (let depth = 1; depth <= 10; depth += 1) {
      const below = `n${depth - 1}`;
      await blockdevAdd({ driver: 'blkverify', 'node-name': `n${depth}`, raw: below, test: below });
    }
    expect(filenameOf(nodeOf('n2'))).toMatch(/^json:.*\}$/);
    const name = filenameOf(nodeOf('n10'));
    expect([name.length, name.slice(-3)]).toEqual([4095, '...']);
  });
});

describeWith([STORAGE_DAEMON], 'filenames of nodes, genuine', () => {
  test('QRY-11: every node is called what the genuine program calls it', async () => {
    const file = { driver: 'file', filename: image(MIB) };
    const error = { event: 'read_aio', errno: 28, once: true };
    const setup: Setup = {
      groups: { group: { 'iops-total': 1000 } },
      nodes: [
        { ...file, 'node-name': 'file' },
        { driver: 'raw', 'node-name': 'raw', file: 'file' },
        { driver: 'raw', 'node-name': 'window', offset: 512, size: 1024, file: 'file' },
        { driver: 'raw', 'node-name': 'offset', offset: 0, file: 'file' },
        { driver: 'raw', 'node-name': 'own-child', file: { ...file, 'read-only': true } },
        { driver: 'null-co', 'node-name': 'null' },
        { driver: 'null-aio', 'node-name': 'aio', 'latency-ns': 10 },
        { driver: 'null-co', 'node-name': 'size', size: MIB },
        { driver: 'null-co', 'node-name': 'zeroes', 'read-zeroes': true },
        { driver: 'null-co', 'node-name': 'no-zeroes', 'read-zeroes': false },
        { driver: 'raw', 'node-name': 'raw-null', file: 'null' },
        { driver: 'raw', 'node-name': 'raw-zeroes', file: 'zeroes' },
        { driver: 'throttle', 'node-name': 'throttle', 'throttle-group': 'group', file: 'raw' },
        { driver: 'raw', 'node-name': 'raw-throttle', file: 'throttle' },
        { driver: 'copy-on-read', 'node-name': 'cor', file: 'throttle' },
        { driver: 'copy-on-read', 'node-name': 'bottom', bottom: 'raw', file: 'raw' },
        { driver: 'blkdebug', 'node-name': 'debug', image: 'file' },
        { driver: 'raw', 'node-name': 'raw-debug', file: 'debug' },
        { driver: 'blkdebug', 'node-name': 'align', image: 'file', align: 1024 },
        { driver: 'blkdebug', 'node-name': 'rules', image: 'file', 'inject-error': [error] },
        { driver: 'blkdebug', 'node-name': 'debug-cor', image: 'cor' },
        { driver: 'blkverify', 'node-name': 'verify', raw: 'file', test: 'raw' },
        { driver: 'blkverify', 'node-name': 'verify-cor', raw: 'file', test: 'cor' },
      ],
    };
    const names = setup.nodes.map((options) => options['node-name'] as string);
    const genuine = await withGenuine(startStorageDaemon(), async (qmp) => {
      await setUpGenuine(qmp, setup);
      const nodes =
        await qmp.execute<{ 'node-name': string; file: string }[]>('query-named-block-nodes');
      const byName = new Map(nodes.map((node) => [node['node-name'], node.file]));
      return names.map((name) => [name, comparable(byName.get(name))]);
    });
    const ours = await withSetup(setup, () =>
      names.map((name) => [name, comparable(filenameOf(nodeOf(name)))]),
    );
    expect(ours).toEqual(genuine);
  });
});
