// The text of `info block`, here and in the genuine program's human monitor.
import {
  BlockBackend,
  blockdevAdd,
  createDrive,
  type InfoBlockOptions,
  infoBlock,
} from '../../../lib/index.js';
import { sizeText } from '../../../lib/monitor/hmp/size-text.js';
import { comparableLines } from '../../support/comparable.js';
import { drivesOfQemu, withDrives } from '../../support/genuine-drives.js';
import { QEMU, startQemu, withGenuine } from '../../support/genuine-qemu.js';
import { clearGraph } from '../../support/graph.js';
import { image } from '../../support/images.js';
import { fastDisk } from '../../support/null-disk.js';
import { describeWith } from '../../support/tools.js';

const MIB = 1 << 20;

afterEach(clearGraph);

const COMMANDS: readonly (readonly [line: string, options: InfoBlockOptions])[] = [
  ['info block', {}],
  ['info block -v', { verbose: true }],
  ['info block -n', { nodes: true }],
  ['info block -n -v', { nodes: true, verbose: true }],
  ['info block empty0', { device: 'empty0' }],
  ['info block drive1', { device: 'drive1' }],
  ['info block -v drive0', { device: 'drive0', verbose: true }],
  ['info block dev', { device: 'dev' }],
  ['info block -n drive0', { device: 'drive0', nodes: true }],
  ['info block -n below', { device: 'below', nodes: true }],
  ['info block nothing', { device: 'nothing' }],
];

describe('info block', () => {
  test('info block: without drives there is nothing to say', async () => {
    expect(await infoBlock()).toBe('');
    expect(await infoBlock({ nodes: true })).toBe('');
  });

  test('info block: a backing file, an I/O error, and a backend without any name', async () => {
    const filename = image(MIB);
    const backing = { driver: 'file', 'node-name': 'base', filename, 'read-only': true };
    await using blk = await BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'top', backing },
      { name: 'd' },
    );
    blk.iostatusEnable();
    blk.iostatusSetError(28);
    const text = await infoBlock();
    expect(text.split('\n').slice(1)).toEqual([
      '    I/O status:       nospace',
      '    Removable device: not locked, tray closed',
      '    Cache mode:       writeback',
      `    Backing file:     ${filename} (chain depth: 1)`,
      '',
    ]);
    await using empty = await createDrive();
    empty.attachDevice({});
    expect((await infoBlock()).split('\n').slice(-3)).toEqual([
      '',
      '<anonymous>: [not inserted]',
      '',
    ]);
  });

  test('info block: sizes have three digits', () => {
    for (const [bytes, text] of [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '0.977 KiB'],
      [1024, '1 KiB'],
      [1536, '1.5 KiB'],
      [1023999, '1e+03 KiB'],
      [1024000, '0.977 MiB'],
      [197120, '192 KiB'],
      [2 ** 40, '1 TiB'],
      [1.3 * 2 ** 50, '1.3 PiB'],
    ] as const) {
      expect([bytes, sizeText(bytes)]).toEqual([bytes, text]);
    }
  });
});

describeWith([QEMU], 'info block, genuine', () => {
  test('info block: every line is what the genuine program prints', async () => {
    const images = { writable: image(MIB, Buffer.from('x')), readOnly: image(3 * MIB + 512) };
    const genuine = await withGenuine(startQemu(drivesOfQemu(images)), async (qmp) => {
      const texts: string[][] = [];
      for (const [line] of COMMANDS) texts.push([line, ...comparableLines(await qmp.human(line))]);
      return texts;
    });
    const ours = await withDrives(images, async () => {
      const texts: string[][] = [];
      for (const [line, options] of COMMANDS) {
        texts.push([line, ...comparableLines(await infoBlock(options))]);
      }
      return texts;
    });
    expect(ours).toEqual(genuine);
  });

  test('info block: sizes are what the genuine program makes of them', async () => {
    const sizes = [
      512,
      1000448,
      1023488,
      1048064,
      1524 * 512,
      3 * MIB + 512,
      10 ** 9 * 512,
      2 ** 52,
    ];
    const args = sizes.flatMap((size, index) => [
      '-blockdev',
      JSON.stringify({ driver: 'null-co', 'node-name': `n${index}`, size }),
    ]);
    const lines = await withGenuine(startQemu(args), (qmp) => qmp.human('info block -n -v'));
    const genuine = lines.split('\n').filter((line) => line.startsWith('virtual size'));
    expect(
      sizes.map((size) => `virtual size: ${sizeText(size)} (${size} bytes)`).reverse(),
    ).toEqual(genuine);
    for (const [index, size] of sizes.entries()) {
      await blockdevAdd(fastDisk({ 'node-name': `n${index}`, size }));
    }
    expect((await infoBlock({ nodes: true, verbose: true })).split('\n')).toEqual(
      lines.split('\n'),
    );
  });
});
