// Images that cannot be opened, written or filled: one clear sentence each, and nothing is left.
import { closeSync, mkdirSync, openSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend, type BlockdevOptions, BlockError, type BlockNode } from '../../lib/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { describeMounted, tinyExt4, tinyTmpfs } from '../support/mounts.js';
import { program } from '../support/program.js';

const folder = scratchFolder();
const MIB = 1 << 20;
const plain = join(folder, 'plain.img');
const directory = join(folder, 'directory');

beforeAll(() => {
  writeFileSync(plain, Buffer.alloc(MIB, 5));
  mkdirSync(directory);
});

function sparse(filename: string, bytes: number): string {
  closeSync(openSync(filename, 'w'));
  truncateSync(filename, bytes);
  return filename;
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

interface Refusal {
  readonly options: BlockdevOptions;
  readonly code: string;
  readonly text: string;
}

function fileNode(filename: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions {
  return { driver: 'file', 'node-name': 'bad', filename, ...more };
}

const window = (more: object): BlockdevOptions => ({
  driver: 'raw',
  'node-name': 'bad',
  file: { driver: 'file', filename: plain },
  ...more,
});

const missing = join(folder, 'missing.img');
const refusals: readonly Refusal[] = [
  {
    options: fileNode(missing),
    code: 'ENOENT',
    text: `cannot open '${missing}': no such file or directory`,
  },
  {
    options: fileNode(join(plain, 'x')),
    code: 'ENOTDIR',
    text: `cannot open '${join(plain, 'x')}': not a directory`,
  },
  {
    options: fileNode(directory),
    code: 'EISDIR',
    text: `'${directory}' is a directory; 'file' needs a regular file`,
  },
  {
    options: fileNode(directory, { 'read-only': true }),
    code: 'EINVAL',
    text: `'${directory}' is a directory; 'file' needs a regular file`,
  },
  {
    options: fileNode('/dev/zero'),
    code: 'EINVAL',
    text: `'file' needs a regular file and '/dev/zero' is none; for devices use 'host_device'`,
  },
  {
    options: { driver: 'host_device', 'node-name': 'bad', filename: plain },
    code: 'ENODEV',
    text: `'host_device' needs a block or character device and '${plain}' is none; use 'file'`,
  },
  {
    options: fileNode('/proc/version', { 'read-only': true, cache: { direct: true } }),
    code: 'EINVAL',
    text: `'/proc/version' lies on a file system without O_DIRECT; set cache.direct=off`,
  },
  {
    options: window({ offset: MIB + 512 }),
    code: 'EINVAL',
    text: `offset is ${MIB + 512}; it must be between 0 and the length of the file, ${MIB}`,
  },
  {
    options: window({ offset: 512, size: MIB }),
    code: 'EINVAL',
    text: `the window of ${MIB} bytes at 512 ends after the file, which has ${MIB} bytes`,
  },
  {
    options: window({ size: 1000 }),
    code: 'EINVAL',
    text: 'size is 1000; it must be 0 or a positive multiple of 512',
  },
  {
    options: { driver: 'null-co', 'node-name': 'bad', size: -1 },
    code: 'EINVAL',
    text: 'size is -1; it must be 0 or more',
  },
];

/** The nodes that the error messages name are found by these. */
function nodeNames(blk: BlockBackend): string[] {
  const root = blk.root as BlockNode;
  return [root.name, ...root.children.map(({ edge }) => edge.child.name)];
}

onEveryEngineAndHome((context) => {
  test('FILE: what cannot be opened is named with what was expected, and nothing is left', async () => {
    const before = openDescriptors();
    const opened = BlockBackend.all().length;
    const results = await Promise.all(
      refusals.map(({ options }) =>
        BlockBackend.open(options, { context: context(), name: 'disk' }).catch((error) => error),
      ),
    );
    for (const [index, error] of results.entries()) {
      const { code, text } = refusals[index] as Refusal;
      expect(error).toBeInstanceOf(BlockError);
      expect(error.message).toBe(`open (node 'bad'): ${text} [${code}]`);
      expect(error).toMatchObject({ code, operation: 'open', node: 'bad' });
      expect(error.errno).toBeLessThan(0);
    }
    expect(BlockBackend.all()).toHaveLength(opened);
    expect(openDescriptors()).toBe(before);
    // Both names are free again.
    const blk = await BlockBackend.open(fileNode(plain), { context: context(), name: 'disk' });
    await blk.close();
    expect(openDescriptors()).toBe(before);
  });

  test('PERM: a write to a read-only image and one without permission say why they fail', async () => {
    const image = { driver: 'file', filename: plain };
    await using readOnly = await BlockBackend.open(
      { ...image, 'node-name': 'ro', 'read-only': true },
      { context: context(), name: 'disk' },
    );
    const bytes = Buffer.alloc(512);
    await expect(readOnly.pwrite(1024, bytes)).rejects.toMatchObject({
      code: 'EPERM',
      errno: -1,
      operation: 'pwrite',
      node: 'ro',
      device: 'disk',
      offset: 1024,
      length: 512,
      message: `pwrite of 512 bytes at 1024 on 'disk' (node 'ro'): the node is read-only [EPERM]`,
    });
    await expect(readOnly.truncate(0)).rejects.toMatchObject({
      code: 'EACCES',
      message: `truncate to 0 bytes on 'disk' (node 'ro'): the node is read-only [EACCES]`,
    });
    expect(() => readOnly.truncateSync(0)).toThrow('the node is read-only [EACCES]');
    expect(await readOnly.pread(1024, bytes)).toBe(512);
    await using reader = await BlockBackend.open(image, {
      context: context(),
      permissions: ['consistent-read'],
    });
    await expect(reader.pwriteZeroes(0, 512)).rejects.toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('the backend was opened without the permission to write'),
    });
    await expect(reader.truncate(0)).rejects.toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('the backend was opened without the permission to resize'),
    });
    await expect(
      BlockBackend.open(
        { ...image, 'read-only': true },
        { context: context(), permissions: ['write'] },
      ),
    ).rejects.toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('it is read-only, and a user needs to write'),
    });
  });

  test('FILE-7: misaligned memory and offsets work under O_DIRECT and are counted', async () => {
    const filename = join(folder, 'direct.img');
    writeFileSync(filename, Buffer.alloc(65536, 9));
    await using blk = await BlockBackend.open(
      { driver: 'file', filename, cache: { direct: true } },
      { context: context() },
    );
    const bounced = (): number => (blk.root as BlockNode).info().bounced;
    const memory = blk.allocate(16384);
    expect(await blk.pread(0, memory.subarray(0, 4096))).toBe(4096);
    expect(bounced()).toBe(0);
    expect(await blk.pread(4096, memory.subarray(1, 4097))).toBe(4096);
    expect(bounced()).toBe(1);
    expect(await blk.pwrite(8192, memory.subarray(3, 4099).fill(1))).toBe(4096);
    expect(bounced()).toBe(2);
    expect(await blk.pwrite(12288 + 100, Buffer.alloc(1000, 2))).toBe(1000);
    const all = Buffer.alloc(65536);
    expect(await blk.pread(0, all)).toBe(65536);
    const expected = Buffer.alloc(65536, 9).fill(1, 8192, 12288).fill(2, 12388, 13388);
    expect(all.equals(expected)).toBe(true);
    expect(await blk.pread(12387, all.subarray(0, 3))).toBe(3);
    expect([...all.subarray(0, 3)]).toEqual([9, 2, 2]);
  });
});

test('FILE-4: an image that the user may not read or write is refused with EACCES', async () => {
  if (process.getuid?.() !== 0) {
    console.info('skipped: only root can become somebody else');
    return;
  }
  const result = await program(`
    const { chmodSync, writeFileSync } = require('node:fs');
    const { BlockBackend } = require('block-backend');
    chmodSync(${JSON.stringify(folder)}, 0o755);
    const errors = [];
    const open = (filename, readOnly) =>
      BlockBackend.open({ driver: 'file', 'node-name': 'n', filename, 'read-only': readOnly })
        .then((blk) => blk.close().then(() => errors.push('opened')))
        .catch(({ code, message }) => errors.push(code + ' ' + message.replace(/'[^']*\\//, "'")));
    (async () => {
      const [secret, unwritable] = ['secret', 'unwritable'].map((name) => ${JSON.stringify(folder)} + '/' + name);
      writeFileSync(secret, 'x', { mode: 0o600 });
      writeFileSync(unwritable, 'x', { mode: 0o644 });
      process.setuid('nobody');
      await open(secret, true);
      await open(unwritable, false);
      await open(unwritable, true);
      console.log(JSON.stringify(errors));
    })();
  `);
  const text = (name: string): string =>
    `EACCES open (node 'n'): cannot open '${name}': permission denied [EACCES]`;
  expect(result).toEqual([text('secret'), text('unwritable'), 'opened']);
});

const TINY = 1 << 20;
const tinyFileSystems = [
  { title: 'a tmpfs of 1 MiB', mount: tinyTmpfs(TINY) },
  { title: 'an ext4 of 2 MiB', mount: tinyExt4(2 * TINY) },
];
for (const { title, mount } of tinyFileSystems) {
  describeMounted(title, mount, () => {
    onEveryEngineAndHome((context) => {
      test('ENOSPC: a full file system fails what does not fit, and only that', async () => {
        const filename = sparse(join(mount.folder, 'image'), 16 * MIB);
        await using blk = await BlockBackend.open(
          { driver: 'raw', file: { driver: 'file', filename } },
          { context: context(), name: 'disk' },
        );
        expect(await blk.pwrite(0, Buffer.alloc(65536, 1))).toBe(65536);
        const big = Buffer.alloc(8 * MIB, 2);
        const [tooMuch, rewritten, read, beyond] = await Promise.allSettled([
          blk.pwrite(MIB, big),
          blk.pwrite(0, Buffer.alloc(4096, 3)),
          blk.pread(4096, Buffer.alloc(4096)),
          blk.pread(16 * MIB, Buffer.alloc(1)),
        ]);
        expect(tooMuch).toMatchObject({
          status: 'rejected',
          reason: {
            code: 'ENOSPC',
            errno: -28,
            operation: 'pwrite',
            device: 'disk',
            offset: MIB,
            length: 8 * MIB,
          },
        });
        const { message, node } = (tooMuch as PromiseRejectedResult).reason as BlockError;
        expect(nodeNames(blk)).toContain(node);
        expect(message).toBe(
          `pwrite of ${8 * MIB} bytes at ${MIB} on 'disk' (node '${node}'): ` +
            `no space left on device [ENOSPC]`,
        );
        expect(rewritten).toEqual({ status: 'fulfilled', value: 4096 });
        expect(read).toEqual({ status: 'fulfilled', value: 4096 });
        expect(beyond).toMatchObject({ reason: { code: 'EIO' } });
        await expect(blk.pwriteZeroes(MIB, 8 * MIB, { fua: true })).rejects.toMatchObject({
          code: 'ENOSPC',
          operation: 'pwrite_zeroes',
        });
        const start = Buffer.alloc(8192);
        expect(await blk.pread(0, start)).toBe(8192);
        expect(start.equals(Buffer.alloc(8192, 3).fill(1, 4096))).toBe(true);
        expect([blk.inFlight, blk.parked]).toEqual([0, 0]);
      });
    });
  });
}
