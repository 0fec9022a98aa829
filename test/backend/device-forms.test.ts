// Requests that machines and device models make beside those for data: vmstate, compressed writes,
// probes of sizes and geometry, SCSI commands.
import { BlockBackend, type BlockdevOptions, probe, type SgIoCommand } from '../../lib/index.js';
import { attachLoop, describeWithLoop, detachLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';
import { until } from '../support/waiting.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;

const MEMORY = { driver: 'x-probe', 'node-name': 'memory', size: MIB } as const;
const SIZED = { 'physical-block-size': 4096, 'logical-block-size': 512 } as const;
const DISK = { cylinders: 20, heads: 3, sectors: 7 } as const;

onEveryEngineAndHome((context) => {
  const open = (options: BlockdevOptions, settings = {}): Promise<BlockBackend> =>
    BlockBackend.open(options, { context: context(), ...settings });
  const file = (): Promise<BlockBackend> =>
    open(rawOptions(makeImage(folder, 'device-forms.img', 65536)));

  const state = Buffer.from('the state of a machine');
  /** With the operation's errors: of a promise, and thrown. */
  const codesOf = async (blk: BlockBackend): Promise<string[]> => [
    await codeOf(blk.saveVmstate(0, state)),
    await codeOf(blk.loadVmstate(0, Buffer.alloc(8))),
    codeThrown(() => blk.saveVmstateSync(0, state)),
    codeThrown(() => blk.loadVmstateSync(0, Buffer.alloc(8))),
  ];

  test('MISC-3: a driver that does not compress is ENOTSUP, after the range was checked', async () => {
    await using blk = await open({ driver: 'null-co', size: MIB });
    const data = Buffer.alloc(512, 1);
    expect(await codeOf(blk.pwriteCompressed(-512, data))).toBe('EIO');
    expect(await codeOf(blk.pwriteCompressed(MIB, data))).toBe('EIO');
    expect(await codeOf(blk.pwriteCompressed(0, data))).toBe('ENOTSUP');
    expect(codeThrown(() => blk.pwriteCompressedSync(-512, data))).toBe('EIO');
    expect(codeThrown(() => blk.pwriteCompressedSync(0, data))).toBe('ENOTSUP');
    await using empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.pwriteCompressed(0, data))).toBe('ENOMEDIUM');
  });

  test('MISC-3: one that compresses gets the whole write, its padding too, in one piece', async () => {
    await using blk = await open({ ...MEMORY, compress: true, 'request-alignment': 512 });
    const counters = () => probe('memory').counters();
    await blk.pwrite(0, Buffer.alloc(2048, 'o'));
    expect(await blk.pwriteCompressed(100, Buffer.alloc(1000, 'c'))).toBe(1000);
    expect(blk.pwriteCompressedSync(1024, Buffer.alloc(512, 'd'))).toBe(512);
    expect(counters()).toMatchObject({ pwrite: 1, pwriteCompressed: 2 });
    const read = Buffer.alloc(2048);
    await blk.pread(0, read);
    const parts = ['o'.repeat(100), 'c'.repeat(924), 'd'.repeat(512), 'o'.repeat(512)];
    expect(read.toString()).toBe(parts.join(''));
    probe('memory').failNext('pwriteCompressed', 'ENOSPC');
    expect(await codeOf(blk.pwriteCompressed(0, read))).toBe('ENOSPC');
    expect(counters()).toMatchObject({ pwrite: 1, pwriteCompressed: 3 });
  });

  test('FUA-8: a compressed write is not flushed, even without a write cache', async () => {
    await using blk = await open({ ...MEMORY, compress: true });
    const data = Buffer.alloc(512, 1);
    const flushes = () => probe('memory').calls('flush');
    blk.writeCache = false;
    await blk.pwriteCompressed(0, data);
    expect(flushes()).toBe(0);
    await blk.pwrite(0, data);
    expect(flushes()).toBe(1);
    await blk.pwriteCompressed(0, data);
    expect(flushes()).toBe(1);
  });

  test('MISC-5: without a medium vmstate is ENOMEDIUM', async () => {
    await using empty = new BlockBackend({ context: context() });
    expect(await codesOf(empty)).toEqual(Array(4).fill('ENOMEDIUM'));
  });

  test('MISC-5: where neither node nor primary child has a place for it, it is ENOTSUP', async () => {
    await using blk = await open(MEMORY);
    expect(await codesOf(blk)).toEqual(Array(4).fill('ENOTSUP'));
    await using raw = await file();
    expect(await codesOf(raw)).toEqual(Array(4).fill('ENOTSUP'));
  });

  test('MISC-5: a node without a place for it asks its primary child, all the way down', async () => {
    const below = { ...MEMORY, vmstate: true };
    const file = { driver: 'x-probe', 'node-name': 'middle', filter: true, file: below };
    await using blk = await open({ driver: 'raw', file });
    expect(await blk.saveVmstate(100_000, state)).toBe(state.length);
    const read = Buffer.alloc(state.length + 4, '?');
    expect(await blk.loadVmstate(99_998, read)).toBe(read.length);
    expect(read.toString()).toBe(`\0\0${state.toString()}\0\0`);
    const calls = (node: string) => [
      probe(node).calls('saveVmstate'),
      probe(node).calls('loadVmstate'),
    ];
    expect([calls('middle'), calls('memory')]).toEqual([
      [0, 0],
      [1, 1],
    ]);
    // It lies beside the data.
    expect(probe('memory').allocatedClusters).toBe(0);
    expect(await blk.getLength()).toBe(MIB);
  });

  test('MISC-6: a negative position is EIO, and reaches no driver', async () => {
    await using blk = await open({ ...MEMORY, vmstate: true });
    for (const position of [-1, -4096, -(2 ** 53) + 1]) {
      expect(await codeOf(blk.saveVmstate(position, Buffer.alloc(512)))).toBe('EIO');
      expect(await codeOf(blk.loadVmstate(position, Buffer.alloc(512)))).toBe('EIO');
    }
    expect(probe('memory').counters()).toMatchObject({ saveVmstate: 0, loadVmstate: 0 });
  });

  test('MISC-7: saving gives the size, as does loading', async () => {
    await using blk = await open({ ...MEMORY, vmstate: true });
    const large = Buffer.alloc(200_000, 'v');
    expect(await blk.saveVmstate(5, large)).toBe(200_000);
    expect(blk.saveVmstateSync(0, state)).toBe(state.length);
    expect(await blk.loadVmstate(5, Buffer.alloc(200_000))).toBe(200_000);
    expect(await blk.saveVmstate(0, Buffer.alloc(0))).toBe(0);
  });

  test('MISC-8: without a write cache a save is flushed, whose error is the result', async () => {
    await using blk = await open({ ...MEMORY, vmstate: true });
    const flushes = () => probe('memory').calls('flush');
    await blk.saveVmstate(0, state);
    expect(flushes()).toBe(0);
    blk.writeCache = false;
    expect(await blk.saveVmstate(0, state)).toBe(state.length);
    expect(flushes()).toBe(1);
    probe('memory').failNext('flush', 'EDQUOT');
    expect(await codeOf(blk.saveVmstate(0, state))).toBe('EDQUOT');
    probe('memory').failNext('saveVmstate', 'ENOSPC');
    expect(await codeOf(blk.saveVmstate(0, state))).toBe('ENOSPC');
    expect(flushes()).toBe(2);
    await blk.loadVmstate(0, Buffer.alloc(8));
    expect(flushes()).toBe(2);
  });

  test('FUA-9: a complete save is followed by one flush of the node that holds it', async () => {
    await using blk = await open({ driver: 'raw', file: { ...MEMORY, vmstate: true } });
    blk.writeCache = false;
    await blk.saveVmstate(0, Buffer.alloc(300_000, 1));
    expect(probe('memory').counters()).toMatchObject({ saveVmstate: 1, flush: 1 });
  });

  test('a drained section waits for a save that is under way', async () => {
    await using blk = await open({ ...MEMORY, vmstate: true });
    probe('memory').hold('saveVmstate', 'tag');
    const save = blk.saveVmstate(0, state);
    await until(() => probe('memory').held('tag') === 1);
    expect(blk.inFlight).toBe(1);
    const drained = blk.drained();
    probe('memory').release('tag');
    const section = await drained;
    expect(blk.inFlight).toBe(0);
    section.end();
    expect(await save).toBe(state.length);
  });

  test('MISC-9: without a medium both probes are ENOMEDIUM', async () => {
    await using empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.probeBlockSizes())).toBe('ENOMEDIUM');
    expect(await codeOf(empty.probeGeometry())).toBe('ENOMEDIUM');
    expect(codeThrown(() => empty.probeBlockSizesSync())).toBe('ENOMEDIUM');
    expect(codeThrown(() => empty.probeGeometrySync())).toBe('ENOMEDIUM');
  });

  test('MISC-9: a driver that does not answer is ENOTSUP', async () => {
    for (const options of [MEMORY, { driver: 'null-co' }]) {
      await using blk = await open(options);
      expect(await codeOf(blk.probeBlockSizes())).toBe('ENOTSUP');
      expect(await codeOf(blk.probeGeometry())).toBe('ENOTSUP');
    }
  });

  test('MISC-9: filters forward both, and raw without a window is one', async () => {
    const file = { driver: 'x-probe', filter: true, file: { ...MEMORY, ...SIZED, ...DISK } };
    await using blk = await open({ driver: 'raw', file });
    expect(await blk.probeBlockSizes()).toEqual({ physical: 4096, logical: 512 });
    expect(blk.probeBlockSizesSync()).toEqual({ physical: 4096, logical: 512 });
    expect(await blk.probeGeometry()).toEqual({ cylinders: 20, heads: 3, sectors: 7 });
    expect(blk.probeGeometrySync()).toEqual({ cylinders: 20, heads: 3, sectors: 7 });
  });

  test('MISC-9: raw refuses sizes where its window begins inside a block, geometry with any', async () => {
    const file = { ...MEMORY, ...SIZED, ...DISK };
    const windows = [
      [{ offset: 4096 }, 'none'],
      [{ offset: 512 }, 'ENOTSUP'],
      [{ size: 1024 }, 'none'],
      [{ offset: 8192, size: 512 }, 'none'],
    ] as const;
    for (const [window, sizes] of windows) {
      await using blk = await open({ driver: 'raw', file, ...window });
      expect(await codeOf(blk.probeBlockSizes())).toBe(sizes);
      expect(await codeOf(blk.probeGeometry())).toBe('ENOTSUP');
    }
  });

  test('MISC-10: a regular file answers neither', async () => {
    await using blk = await file();
    expect(await codeOf(blk.probeBlockSizes())).toBe('ENOTSUP');
    expect(await codeOf(blk.probeGeometry())).toBe('ENOTSUP');
  });

  test("NEW-4: a device's block sizes are those of the medium, unless its options say others", async () => {
    await using sized = await open({ ...MEMORY, ...SIZED });
    expect(await sized.deviceBlockSizes()).toEqual({
      logical_block_size: 512,
      physical_block_size: 4096,
      min_io_size: 0,
      opt_io_size: 0,
      discard_granularity: undefined,
    });
    await using plain = await open({ driver: 'null-co' });
    const conf = { logical_block_size: 4096, physical_block_size: 2 * 1024 * 1024 };
    const sizes = { min_io_size: 4096 * 65_535, opt_io_size: 8192, discard_granularity: 4096 };
    expect(await plain.deviceBlockSizes({ ...conf, ...sizes })).toEqual({ ...conf, ...sizes });
    expect(await plain.deviceBlockSizes()).toMatchObject({
      logical_block_size: 512,
      physical_block_size: 512,
    });
  });

  test.each([
    [{ logical_block_size: 256 }, 'must be between 512 and 2097152, not 256'],
    [{ physical_block_size: 4 * 1024 * 1024 }, 'must be between 512 and 2097152, not 4194304'],
    [{ physical_block_size: 1536 }, 'must be a power of 2, not 1536'],
    [{ logical_block_size: 4096 }, 'a logical_block_size of 4096 exceeds the physical one of 512'],
    [{ min_io_size: 100 }, "'min_io_size' must be a multiple of the logical_block_size 512"],
    [{ opt_io_size: 513 }, "'opt_io_size' must be a multiple of the logical_block_size 512"],
    [{ discard_granularity: 1 }, "'discard_granularity' must be a multiple"],
    [{ min_io_size: 512 * 65_536 }, "'min_io_size' must not exceed 65535 logical blocks"],
    [{ opt_io_size: -512 }, "'opt_io_size' must be a number of bytes, not -512"],
  ])('NEW-4: block sizes %j: %s', async (conf, text) => {
    await using blk = await open({ driver: 'null-co' });
    const asking = blk.deviceBlockSizes(conf);
    await expect(asking).rejects.toThrow(text);
    expect(await codeOf(asking)).toBe('EINVAL');
  });

  test('REQ-10: the sector count is 0 without a node, else the length of the moment', async () => {
    await using empty = new BlockBackend({ context: context() });
    expect([await empty.getGeometry(), empty.getGeometrySync()]).toEqual([0, 0]);
    await using blk = await open({ ...MEMORY, 'variable-length': true });
    expect(await blk.getGeometry()).toBe(2048);
    probe('memory').setSize(65536);
    expect([await blk.getGeometry(), blk.getGeometrySync()]).toEqual([128, 128]);
  });

  test('MISC-17: the guest block size is 0 at first, and 512 after a device has gone', async () => {
    await using blk = await open(MEMORY);
    expect(blk.guestBlockSize).toBe(0);
    const device = {};
    blk.attachDevice(device);
    blk.guestBlockSize = 4096;
    expect(blk.guestBlockSize).toBe(4096);
    await blk.detachDevice(device);
    expect(blk.guestBlockSize).toBe(512);
    expect(codeThrown(() => (blk.guestBlockSize = -1))).toBe('ERR_OUT_OF_RANGE');
  });

  test('MISC-16: registering a buffer without a medium does nothing', async () => {
    await using empty = new BlockBackend({ context: context() });
    const shared = new Uint8Array(new SharedArrayBuffer(4096));
    for (const view of [shared, Buffer.alloc(512), empty.allocate(4096)]) {
      empty.registerBuffer(view);
      empty.unregisterBuffer(view);
    }
    expect(codeThrown(() => empty.registerBuffer('x' as never))).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('NEW-10: registering a buffer tells of its failure', async () => {
    await using blk = await open(MEMORY);
    const shared = new Uint8Array(new SharedArrayBuffer(4096));
    expect(blk.registerBuffer(shared)).toBeUndefined();
    blk.unregisterBuffer(shared);
    expect(codeThrown(() => blk.registerBuffer(4096 as never))).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('SCSI commands: the data of either direction, and the answer', async () => {
    await using blk = await open({ driver: 'raw', file: { ...MEMORY, scsi: true } });
    const data = Buffer.alloc(7);
    const result = await blk.sgIo({
      command: Buffer.from('abc'),
      direction: 'from-device',
      data,
      timeout: 1234,
    });
    expect(data.toString()).toBe('abcabca');
    const fine = { status: 0, hostStatus: 0, driverStatus: 0, sense: Buffer.alloc(0) };
    expect(result).toEqual({ ...fine, residual: 0, duration: 1234 });
    const command = Buffer.from('abc');
    const sent = blk.sgIoSync({ command, direction: 'to-device', data: Buffer.from([1, 2, 99]) });
    expect(sent.residual).toBe(99);
    expect(await blk.sgIo({ command })).toEqual({ ...fine, residual: 0, duration: 30_000 });
  });

  test('SCSI commands: a device that refuses is an answer, with its sense', async () => {
    await using blk = await open({ ...MEMORY, scsi: true });
    const command = Buffer.from([2, 3, 4, 5]);
    const data = Buffer.alloc(10, 'x');
    const result = await blk.sgIo({ command, direction: 'from-device', data, senseLength: 3 });
    expect(result).toMatchObject({ status: 2, hostStatus: 3, driverStatus: 8, residual: 10 });
    expect(result.sense).toEqual(Buffer.from([2, 3, 4]));
  });

  test('SCSI commands: ENOMEDIUM, ENOTSUP, and what makes no sense', async () => {
    const command = Buffer.from([0]);
    await using empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.sgIo({ command }))).toBe('ENOMEDIUM');
    await using raw = await open({ driver: 'raw', offset: 512, file: { ...MEMORY, scsi: true } });
    expect(await codeOf(raw.sgIo({ command }))).toBe('ENOTSUP');
    await using none = await open({ driver: 'null-co' });
    expect(await codeOf(none.sgIo({ command }))).toBe('ENOTSUP');
    const wrong: [object, string][] = [
      [{}, 'ERR_INVALID_ARG_TYPE'],
      [{ command: Buffer.alloc(0) }, 'ERR_OUT_OF_RANGE'],
      [{ command: Buffer.alloc(253) }, 'ERR_OUT_OF_RANGE'],
      [{ command, senseLength: 253 }, 'ERR_OUT_OF_RANGE'],
      [{ command, timeout: 2 ** 32 }, 'ERR_OUT_OF_RANGE'],
      [{ command, data: Buffer.alloc(1) }, 'ERR_INVALID_ARG_VALUE'],
      [{ command, direction: 'to-device' }, 'ERR_INVALID_ARG_VALUE'],
      [{ command, direction: 'up', data: Buffer.alloc(1) }, 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [request, code] of wrong) {
      expect(await codeOf(none.sgIo(request as SgIoCommand))).toBe(code);
      expect(codeThrown(() => none.sgIoSync(request as SgIoCommand))).toBe(code);
    }
  });

  test('SCSI commands wait in a drained section', async () => {
    await using blk = await open({ ...MEMORY, scsi: true });
    const section = await blk.drained();
    const sent = blk.sgIo({ command: Buffer.from([0]) });
    await until(() => blk.parked === 1);
    section.end();
    expect((await sent).status).toBe(0);
  });

  test('an ioctl that points at memory of its own, or that nobody knows, is refused', async () => {
    await using blk = await open(MEMORY);
    const pointing = [
      0x2285, // SG_IO
      0xc0101282, // BLKREPORTZONE
      0xc020660b, // FS_IOC_FIEMAP
      0xc0484e41, // NVME_IOCTL_ADMIN_CMD
      0xc138fd00, // DM_VERSION
      0x401070ea, // IOC_OPAL_WRITE_SHADOW_MBR
      0x80081273, // nothing
    ];
    for (const request of pointing) {
      expect(await codeOf(blk.ioctl(request, Buffer.alloc(16384)))).toBe('EINVAL');
    }
  });
});

describeWithLoop('on a loop device', () => {
  let device: string;
  beforeAll(() => {
    device = attachLoop(makeImage(folder, 'scsi.img', MIB));
  });
  afterAll(() => detachLoop(device));

  onEveryEngineAndHome((context) => {
    test('SCSI commands: the kernel says what it thinks of a device that is not SCSI', async () => {
      const options = { driver: 'host_device', filename: device };
      await using blk = await BlockBackend.open(options, { context: context() });
      const data = Buffer.alloc(96);
      const command = Buffer.from([0x12, 0, 0, 0, 96, 0]);
      const code = await codeOf(blk.sgIo({ command, direction: 'from-device', data }));
      expect(code).toMatch(/^(ENOTTY|EINVAL)$/);
    });
  });
});
