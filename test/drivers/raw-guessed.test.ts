// Images whose format nobody gave, and whose bytes do not tell.
import { readFileSync, statSync } from 'node:fs';
import { BlockBackend, measureImage } from '../../lib/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';

const folder = scratchFolder();
// Every guess is told, and here are many.
const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
beforeEach(() => warned.mockClear());
const SIZE = 65536;

/** Headers of formats that somebody else would find. */
const foreign: Readonly<Record<string, Buffer>> = {
  qcow2: Buffer.from('514649fb00000003', 'hex'),
  vmdk: Buffer.from('KDMV'),
  vdi: Buffer.concat([Buffer.alloc(64), Buffer.from('7f10dabe', 'hex')]),
  vhdx: Buffer.from('vhdxfile'),
  luks: Buffer.from('4c554b53babe', 'hex'),
  qed: Buffer.from('QED\0'),
  'x-probe': Buffer.from('x-probe\n'),
};

function sectors(header: Buffer, count = 1): Buffer {
  const data = Buffer.alloc(512 * count, 1);
  header.copy(data);
  return data;
}

onEveryEngineAndHome((context) => {
  const open = (options: Parameters<typeof BlockBackend.open>[0], settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });

  test.each(Object.keys(foreign))(
    'RAW-7: a guessed image cannot become one of %s',
    async (name) => {
      const filename = makeImage(folder, 'guessed.img', SIZE);
      const header = foreign[name] as Buffer;
      await using blk = await open({ filename });
      expect(await codeOf(blk.pwrite(0, sectors(header)))).toBe('EPERM');
      expect(await codeOf(blk.pwrite(0, sectors(header, 8)))).toBe('EPERM');
      expect(await codeOf(blk.pwrite(0, header))).toBe('EPERM');
      expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64))).toBe(true);
      // Only the first sector tells a format, and only as a whole.
      expect(await blk.pwrite(512, sectors(header))).toBe(512);
      expect(await blk.pwrite(0, Buffer.alloc(1024, 2))).toBe(1024);
      expect(await blk.pwriteZeroes(0, 512)).toBe(0);
    },
  );

  test('RAW-7: a header in pieces is one all the same', async () => {
    const filename = makeImage(folder, 'pieces.img', SIZE);
    await using blk = await open({ filename });
    expect(await blk.pwrite(0, Buffer.from('QFI'))).toBe(3);
    expect(await codeOf(blk.pwrite(3, Buffer.from([0xfb])))).toBe('EPERM');
    expect(readFileSync(filename).subarray(0, 4).toString('latin1')).toBe('QFId');
  });

  test('RAW-7: who says that it is raw may write what he likes', async () => {
    const filename = makeImage(folder, 'given.img', SIZE);
    await using blk = await open({ driver: 'raw', file: { driver: 'file', filename } });
    expect(await blk.pwrite(0, sectors(foreign.qcow2 as Buffer))).toBe(512);
  });

  test('TRK-17: a byte interface needs no alignment, a guessed image sectors', async () => {
    const filename = makeImage(folder, 'alignment.img', SIZE);
    await using nothing = await open({ driver: 'null-co' });
    expect(nothing.requestAlignment).toBe(1);
    const file = { driver: 'file', filename, cache: { direct: false } };
    {
      await using given = await open({ driver: 'raw', file });
      expect(given.requestAlignment).toBe(1);
    }
    await using guessed = await open({ file });
    expect(guessed.requestAlignment).toBe(512);
  });

  test.each([
    ['given', 1, 1011],
    ['guessed', 512, 1024],
  ])('RW-8: of 1000 bytes, one more at 1010 makes a %s file (%i) %i', async (how, _, size) => {
    const filename = makeImage(folder, 'tail.img', 1000);
    const options = how === 'given' ? { driver: 'raw' } : {};
    const file = { driver: 'file', filename, cache: { direct: false } };
    await using blk = await open({ ...options, file }, { resize: true });
    expect(await blk.pwrite(1010, Buffer.from([7]))).toBe(1);
    expect(statSync(filename).size).toBe(size);
    expect(readFileSync(filename)[1010]).toBe(7);
    expect(readFileSync(filename).subarray(0, 1000).equals(Buffer.alloc(1000, 0x64))).toBe(true);
  });

  test('RAW-8: write-unchanged is passed through to the file', async () => {
    const filename = makeImage(folder, 'unchanged.img', SIZE);
    const file = { driver: 'file', filename };
    const settings = { permissions: ['consistent-read', 'write-unchanged'] };
    await using blk = await open({ driver: 'raw', file }, settings);
    expect(await codeOf(blk.pwrite(0, Buffer.alloc(512, 1)))).toBe('EPERM');
    expect(await blk.pwrite(0, Buffer.alloc(512, 1), { writeUnchanged: true })).toBe(512);
    expect(readFileSync(filename)[511]).toBe(1);
  });
});

test('RAW-7: a guess is told when the image can be written', async () => {
  const filename = makeImage(folder, 'warned.img', SIZE);
  await using blk = await BlockBackend.open({ filename });
  expect(blk.root?.driver.name).toBe('raw');
  expect(warned).toHaveBeenCalledTimes(1);
  const [text, options] = warned.mock.calls[0] as unknown as [string, { code: string }];
  expect(text).toContain(filename);
  expect(options.code).toBe('BLOCK_FORMAT_GUESSED');
  warned.mockClear();
  await using reader = await BlockBackend.open({ filename, 'read-only': true });
  expect(reader.root?.readOnly).toBe(true);
  await using given = await BlockBackend.open({
    driver: 'raw',
    file: { driver: 'file', filename },
  });
  expect(given.isClosed).toBe(false);
  expect(warned).not.toHaveBeenCalled();
});

test('RAW-9: a raw image takes the size of the disk, in sectors', async () => {
  for (const [size, required] of [
    [0, 0],
    [1, 512],
    [512, 512],
    [1000, 1024],
    [2 ** 40 + 1, 2 ** 40 + 512],
  ] as const) {
    expect(measureImage('raw', size)).toEqual({ required, fullyAllocated: required });
  }
  await using blk = await BlockBackend.open({ driver: 'null-co', size: 1000, 'node-name': 'odd' });
  expect(measureImage('raw', 'odd')).toEqual({ required: 1024, fullyAllocated: 1024 });
  expect(blk.root && measureImage('raw', blk.root).required).toBe(1024);
  expect(codeThrown(() => measureImage('file', 512))).toBe('ENOTSUP');
  expect(codeThrown(() => measureImage('nothing', 512))).toBe('EINVAL');
  expect(codeThrown(() => measureImage('raw', -1))).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeThrown(() => measureImage('raw', 0.5))).toBe('ERR_INVALID_ARG_VALUE');
});
