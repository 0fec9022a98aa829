// Every command over the wire: what it does, what it refuses, and what it says to wrong types. What
// lies behind them has tests of its own.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  AioContext,
  BlockBackend,
  blockdevDel,
  graphDump,
  queryBlock,
  ThrottleGroup,
} from '../../../lib/index.js';
import { builtinCommands } from '../../../lib/qmp/commands/index.js';
import type { MemberSchema, ObjectSchema, Schema } from '../../../lib/qmp/schema/type.js';
import { CdDrive } from '../../support/cd-drive.js';
import { sharedKey } from '../../support/certificates.js';
import { scratchFolder } from '../../support/matrix.js';
import { useMonitor } from '../../support/monitor.js';
import { NbdClient, Option, Reply } from '../../support/nbd-client.js';
import type { QmpClient } from '../../support/qmp-client.js';
import { makeImage } from '../../support/requests.js';

const folder = scratchFolder();
const monitor = useMonitor();
let qmp: QmpClient;
const KIB = 1024;
const MIB = 1024 * KIB;

beforeEach(async () => {
  qmp = await monitor().client();
});

afterEach(async () => {
  await qmp.close();
  for (const blk of BlockBackend.all()) await blk.close();
  for (const { name } of graphDump().nodes.filter(({ owners }) => owners !== undefined)) {
    await blockdevDel(name);
  }
});

const generic = (desc: RegExp) => ({
  error: { class: 'GenericError', desc: expect.stringMatching(desc) },
});
const notFound = (desc: RegExp) => ({
  error: { class: 'DeviceNotFound', desc: expect.stringMatching(desc) },
});
const ok = { return: {} };

const run = (execute: string, args?: object) =>
  qmp.exchange({ execute, ...(args === undefined ? {} : { arguments: args }) });

const addNull = (name: string, more = {}) =>
  run('blockdev-add', { driver: 'null-co', 'node-name': name, size: MIB, ...more });

/** A CD drive in `disk`, whose device is `cd0`. */
async function cdDrive(options?: object): Promise<[BlockBackend, CdDrive]> {
  const blk =
    options === undefined
      ? new BlockBackend({ name: 'disk' })
      : await BlockBackend.open(options as never, { name: 'disk' });
  const drive = new CdDrive();
  blk.attachDevice(drive, 'cd0');
  blk.setDeviceOps(drive.ops());
  return [blk, drive];
}

describe('wrong types', () => {
  /** Values that none of the schema's takes. */
  const wrongFor = ({ meta }: Schema): unknown =>
    meta === 'array' || meta === 'object' ? 'x' : [[]];

  const cases = builtinCommands.flatMap(({ name, arguments: { schema } }) => {
    const members = Object.entries((schema as ObjectSchema).members());
    return members
      .filter(([, member]) => !isAny(member))
      .map(([member, { schema: of }]) => [name, member, wrongFor(of), members] as const);
  });

  function isAny({ schema }: MemberSchema): boolean {
    return schema.meta === 'builtin' && schema.name === 'any';
  }

  test.each(cases)('%s: %s', async (name, member, wrong, members) => {
    const given = Object.fromEntries(
      members.filter(([, { optional }]) => !optional).map(([other]) => [other, {}]),
    );
    const reply = await run(name, { ...given, [member]: wrong });
    if (name === 'qmp_capabilities') return;
    expect(reply).toMatchObject(generic(/expected|missing/));
  });

  test.each(
    builtinCommands.filter(({ name }) => !name.startsWith('qmp_')).map(({ name }) => [name]),
  )('%s: an argument that it has not', async (name) => {
    expect(await run(name, { 'no-such-argument': 1 })).toMatchObject(
      generic(/no-such-argument|missing/),
    );
  });
});

describe('the monitor itself', () => {
  test('query-commands names all of them, once', async () => {
    const { return: commands } = (await run('query-commands')) as { return: { name: string }[] };
    const names = commands.map(({ name }) => name);
    expect(names).toEqual(builtinCommands.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });

  test('query-qmp-schema describes every type that it names', async () => {
    const { return: infos } = (await run('query-qmp-schema')) as {
      return: Record<string, unknown>[];
    };
    const names = infos.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const named = JSON.stringify(infos).matchAll(
      /"(?:arg-type|ret-type|type|element-type)":"([^"]+)"/g,
    );
    for (const [, name] of named) expect(names).toContain(name);
    const add = infos.find(({ name }) => name === 'blockdev-add');
    expect(add).toMatchObject({ 'meta-type': 'command' });
    const options = infos.find(({ name }) => name === add?.['arg-type']);
    expect(options).toMatchObject({
      'meta-type': 'object',
      tag: 'driver',
      members: expect.arrayContaining([
        expect.objectContaining({ name: 'driver' }),
        { name: 'node-name', type: 'str', default: null },
      ]),
      variants: expect.arrayContaining([expect.objectContaining({ case: 'raw' })]),
    });
    expect(infos.find(({ name }) => name === 'BLOCK_IO_ERROR')).toMatchObject({
      'meta-type': 'event',
    });
  });

  test('query-version', async () => {
    expect(await run('query-version')).toHaveProperty('return.qemu', {
      major: 7,
      minor: 2,
      micro: 0,
    });
  });
});

describe('nodes', () => {
  test('blockdev-add and blockdev-del', async () => {
    expect(await addNull('n')).toMatchObject(ok);
    expect(await addNull('n')).toMatchObject(generic(/n/));
    expect(await run('blockdev-add', { driver: 'null-co' })).toMatchObject(generic(/node-name/));
    expect(await run('blockdev-add', { driver: 'nonesuch', 'node-name': 'x' })).toMatchObject(
      generic(/driver/),
    );
    expect(await addNull('x', { size: '1M' })).toMatchObject(generic(/size/));
    expect(await addNull('x', { 'cache.direct': true })).toMatchObject(generic(/cache.direct/));
    expect(await addNull('x', { filename: 'a' })).toMatchObject(generic(/filename/));
    expect(
      await run('blockdev-add', {
        driver: 'file',
        'node-name': 'f',
        filename: join(folder, 'none'),
      }),
    ).toMatchObject(generic(/ENOENT|no such/i));
    expect(await run('blockdev-del', { 'node-name': 'n' })).toMatchObject(ok);
    expect(await run('blockdev-del', { 'node-name': 'n' })).toMatchObject(generic(/n/));
  });

  test('blockdev-add takes children by name and with options of their own', async () => {
    await addNull('n');
    const file = { driver: 'null-co', size: MIB };
    expect(
      await run('blockdev-add', { driver: 'raw', 'node-name': 'r', file: 'n', offset: 512 }),
    ).toMatchObject(ok);
    expect(await run('blockdev-add', { driver: 'raw', 'node-name': 's', file })).toMatchObject(ok);
    expect(await run('blockdev-add', { driver: 'raw', 'node-name': 't', file: 5 })).toMatchObject(
      generic(/file/),
    );
    expect(await run('blockdev-del', { 'node-name': 'n' })).toMatchObject(generic(/in use/));
    for (const name of ['r', 's', 'n']) {
      expect(await run('blockdev-del', { 'node-name': name })).toMatchObject(ok);
    }
  });

  test('blockdev-reopen', async () => {
    const filename = makeImage(folder, 'reopen.img', 64 * KIB, 1);
    const options = { driver: 'file', 'node-name': 'f', filename };
    expect(await run('blockdev-add', options)).toMatchObject(ok);
    expect(
      await run('blockdev-reopen', { options: [{ ...options, 'read-only': true }] }),
    ).toMatchObject(ok);
    expect(await run('query-named-block-nodes')).toMatchObject({
      return: [{ 'node-name': 'f', ro: true }],
    });
    expect(
      await run('blockdev-reopen', { options: [{ ...options, 'node-name': 'g' }] }),
    ).toMatchObject(generic(/g/));
    expect(await run('blockdev-reopen', { options })).toMatchObject(generic(/array/));
    expect(
      await run('blockdev-reopen', { options: [{ ...options, filename: 'other' }] }),
    ).toMatchObject(generic(/filename/));
  });

  test('block_resize', async () => {
    const filename = makeImage(folder, 'resize.img', 64 * KIB, 1);
    await run('blockdev-add', { driver: 'file', 'node-name': 'f', filename });
    expect(await run('block_resize', { 'node-name': 'f', size: 128 * KIB })).toMatchObject(ok);
    expect(statSync(filename).size).toBe(128 * KIB);
    expect(await run('block_resize', { 'node-name': 'f', size: -1 })).toMatchObject(
      generic(/size/),
    );
    expect(await run('block_resize', { size: 1 })).toMatchObject(generic(/device and node-name/));
    expect(await run('block_resize', { 'node-name': 'g', size: 1 })).toMatchObject(generic(/g/));
    expect(await run('block_resize', { device: 'g', size: 1 })).toMatchObject(generic(/g/));
  });

  test('block-set-write-threshold, and its event', async () => {
    await addNull('n');
    expect(
      await run('block-set-write-threshold', { 'node-name': 'n', 'write-threshold': 4096 }),
    ).toMatchObject(ok);
    const blk = await BlockBackend.open('n');
    await blk.pwrite(4096, Buffer.alloc(512));
    expect(await qmp.event('BLOCK_WRITE_THRESHOLD')).toMatchObject({
      data: { 'node-name': 'n', 'amount-exceeded': 512, 'write-threshold': 4096 },
    });
    expect(
      await run('block-set-write-threshold', { 'node-name': 'm', 'write-threshold': 1 }),
    ).toMatchObject(generic(/m/));
    expect(
      await run('block-set-write-threshold', { 'node-name': 'n', 'write-threshold': -1 }),
    ).toMatchObject(generic(/write-threshold/));
  });

  test('blockdev-snapshot and x-blockdev-change', async () => {
    await addNull('n');
    expect(await run('blockdev-snapshot', { node: 'n', overlay: 'o' })).toMatchObject(generic(/o/));
    expect(await run('x-blockdev-change', { parent: 'n', child: 'file' })).toMatchObject(
      generic(/not support/),
    );
    expect(await run('x-blockdev-change', { parent: 'm', child: 'file' })).toMatchObject(
      generic(/m/),
    );
  });

  test('x-blockdev-set-iothread', async () => {
    await addNull('n');
    await run('object-add', { 'qom-type': 'iothread', id: 'io0' });
    const move = (iothread: unknown, node = 'n') =>
      run('x-blockdev-set-iothread', { 'node-name': node, iothread });
    expect(await move('io0')).toMatchObject(ok);
    expect(await run('object-del', { id: 'io0' })).toMatchObject(generic(/io0/));
    expect(await move(null)).toMatchObject(ok);
    expect(await move('io1')).toMatchObject(generic(/io1/));
    expect(await move(null, 'm')).toMatchObject(generic(/m/));
    expect(await move(5)).toMatchObject(generic(/iothread/));
    expect(await run('object-del', { id: 'io0' })).toMatchObject(ok);
  });
});

describe('media', () => {
  test('trays open and close, media go in and out, by name and by id', async () => {
    await cdDrive();
    await addNull('n');
    expect(await run('blockdev-open-tray', { id: 'cd0' })).toMatchObject(ok);
    expect(await qmp.event('DEVICE_TRAY_MOVED')).toMatchObject({
      data: { device: 'disk', id: 'cd0', 'tray-open': true },
    });
    expect(await run('blockdev-insert-medium', { id: 'cd0', 'node-name': 'n' })).toMatchObject(ok);
    expect(await run('blockdev-insert-medium', { id: 'cd0', 'node-name': 'n' })).toMatchObject(
      generic(/in use/),
    );
    expect(await run('blockdev-close-tray', { device: 'disk' })).toMatchObject(ok);
    expect(await run('blockdev-remove-medium', { id: 'cd0' })).toMatchObject(generic(/tray/));
    expect(await run('eject', { id: 'cd0' })).toMatchObject(ok);
    expect((await queryBlock())[0]).toMatchObject({ tray_open: true });
    expect((await queryBlock())[0]).not.toHaveProperty('inserted');
    expect(await run('blockdev-insert-medium', { id: 'cd0', 'node-name': 'none' })).toMatchObject(
      generic(/none/),
    );
  });

  test('blockdev-change-medium', async () => {
    await cdDrive();
    const filename = makeImage(folder, 'medium.img', 64 * KIB, 1);
    const change = (more: object) =>
      run('blockdev-change-medium', { device: 'disk', filename, format: 'raw', ...more });
    expect(await change({})).toMatchObject(ok);
    expect((await queryBlock())[0]?.inserted).toMatchObject({
      file: filename,
      drv: 'raw',
      ro: false,
    });
    expect(await change({ 'read-only-mode': 'read-only' })).toMatchObject(ok);
    expect((await queryBlock())[0]?.inserted).toMatchObject({ ro: true });
    expect(await change({ 'read-only-mode': 'sometimes' })).toMatchObject(
      generic(/read-only-mode/),
    );
    expect(await change({ filename: join(folder, 'none') })).toMatchObject(generic(/none/));
    expect(await change({ format: 'nonesuch' })).toMatchObject(generic(/nonesuch/));
  });

  test.each([
    ['blockdev-open-tray', {}],
    ['blockdev-close-tray', {}],
    ['blockdev-change-medium', { filename: 'x' }],
    ['eject', {}],
  ])(
    '%s: unknown drives are DeviceNotFound, both or none of the names are not',
    async (name, args) => {
      await addNull('n');
      expect(await run(name, { device: 'none', ...args })).toMatchObject(notFound(/none/));
      expect(await run(name, { id: 'none', ...args })).toMatchObject(notFound(/none/));
      expect(await run(name, args)).toMatchObject(generic(/device and id/));
      expect(await run(name, { device: 'a', id: 'b', ...args })).toMatchObject(
        generic(/device and id/),
      );
    },
  );

  test.each([
    ['blockdev-remove-medium', {}],
    ['blockdev-insert-medium', { 'node-name': 'n' }],
  ])('%s takes the id of a device only', async (name, args) => {
    await addNull('n');
    expect(await run(name, { id: 'none', ...args })).toMatchObject(notFound(/none/));
    expect(await run(name, args)).toMatchObject(generic(/'id' is missing/));
    expect(await run(name, { device: 'a', id: 'b', ...args })).toMatchObject(generic(/device/));
  });

  test('a drive whose medium is fixed', async () => {
    await BlockBackend.open({ driver: 'null-co', size: MIB }, { name: 'disk' }).then((blk) =>
      blk.attachDevice({}, 'hd0'),
    );
    for (const name of [
      'blockdev-open-tray',
      'blockdev-close-tray',
      'blockdev-remove-medium',
      'eject',
    ]) {
      expect(await run(name, { id: 'hd0' })).toMatchObject(generic(/removable/));
    }
  });
});

const OFF = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };

describe('limits', () => {
  test('block_set_io_throttle', async () => {
    const [blk] = await cdDrive({ driver: 'null-co', size: MIB });
    expect(
      await run('block_set_io_throttle', {
        id: 'cd0',
        ...OFF,
        iops: 100,
        iops_max: 200,
        iops_max_length: 2,
      }),
    ).toMatchObject(ok);
    expect(blk.ioLimits).toMatchObject({
      'iops-total': 100,
      'iops-total-max': 200,
      'iops-total-max-length': 2,
    });
    expect(await run('block_set_io_throttle', { device: 'disk', ...OFF })).toMatchObject(ok);
    expect(blk.throttleGroup).toBeUndefined();
    expect(await run('block_set_io_throttle', { device: 'none', ...OFF })).toMatchObject(
      notFound(/none/),
    );
    expect(
      await run('block_set_io_throttle', { device: 'disk', ...OFF, bps: 1, bps_rd: 1 }),
    ).toMatchObject(generic(/bps/));
    expect(await run('block_set_io_throttle', { device: 'disk', bps: 1 })).toMatchObject(
      generic(/missing/),
    );
  });

  test('block-latency-histogram-set', async () => {
    await cdDrive({ driver: 'null-co', size: MIB });
    expect(
      await run('block-latency-histogram-set', { id: 'cd0', boundaries: [10, 50, 100] }),
    ).toMatchObject(ok);
    expect(await run('block-latency-histogram-set', { id: 'cd0' })).toMatchObject(ok);
    expect(await run('block-latency-histogram-set', { id: 'none' })).toMatchObject(
      notFound(/none/),
    );
    expect(
      await run('block-latency-histogram-set', { id: 'cd0', boundaries: [5, 1] }),
    ).toMatchObject(generic(/bound/));
    expect(
      await run('block-latency-histogram-set', { id: 'cd0', boundaries: ['5'] }),
    ).toMatchObject(generic(/integer/));
  });
});

describe('dirty bitmaps', () => {
  test('they are made, cleared, switched, merged and removed', async () => {
    await addNull('n');
    const on = (name: string) => ({ node: 'n', name });
    for (const name of ['a', 'b']) {
      expect(
        await run('block-dirty-bitmap-add', { ...on(name), granularity: 65536 }),
      ).toMatchObject(ok);
    }
    expect(await run('block-dirty-bitmap-add', on('a'))).toMatchObject(generic(/a/));
    expect(await run('block-dirty-bitmap-disable', on('a'))).toMatchObject(ok);
    expect(await run('block-dirty-bitmap-enable', on('a'))).toMatchObject(ok);
    expect(
      await run('block-dirty-bitmap-merge', { node: 'n', target: 'a', bitmaps: ['b', on('b')] }),
    ).toMatchObject(ok);
    expect(
      await run('block-dirty-bitmap-merge', {
        node: 'n',
        target: 'a',
        bitmaps: [{ node: 'm', name: 'b' }],
      }),
    ).toMatchObject(generic(/another node/));
    expect(await run('block-dirty-bitmap-clear', on('a'))).toMatchObject(ok);
    expect(await run('block-dirty-bitmap-add', { ...on('c'), persistent: true })).toMatchObject(
      generic(/bitmaps/),
    );
    expect(await run('block-dirty-bitmap-clear', { node: 'm', name: 'a' })).toMatchObject(
      generic(/m/),
    );
    for (const name of ['a', 'b']) {
      expect(await run('block-dirty-bitmap-remove', on(name))).toMatchObject(ok);
    }
    expect(await run('block-dirty-bitmap-remove', on('a'))).toMatchObject(generic(/a/));
  });
});

describe('the machine', () => {
  test('stop, query-status and cont, and their events', async () => {
    expect(await run('query-status')).toMatchObject({
      return: { running: true, singlestep: false, status: 'running' },
    });
    expect(await run('stop')).toMatchObject(ok);
    expect(await run('query-status')).toMatchObject({
      return: { running: false, status: 'paused' },
    });
    expect(await run('cont')).toMatchObject(ok);
    expect(await run('query-status')).toMatchObject({
      return: { running: true, status: 'running' },
    });
    expect(qmp.takeEvents().map(({ event }) => event)).toEqual(['STOP', 'RESUME']);
  });
});

describe('objects', () => {
  const group = (id: string, more = {}) =>
    run('object-add', { 'qom-type': 'throttle-group', id, ...more });

  afterEach(() => {
    for (const one of ThrottleGroup.all()) one.delete();
  });

  test('TQ-10: a group object with limits; a name twice, wrong limits and a use of it are refused', async () => {
    expect(await group('g', { limits: { 'iops-total': 100 } })).toMatchObject(ok);
    expect(await group('g')).toMatchObject(generic(/g/));
    expect(await group('h', { limits: { 'bps-total': 1, 'bps-read': 1 } })).toMatchObject(
      generic(/bps/),
    );
    expect(await run('qom-get', { path: 'h', property: 'limits' })).toMatchObject(notFound(/h/));
    await addNull('n');
    await run('blockdev-add', {
      driver: 'throttle',
      'node-name': 't',
      'throttle-group': 'g',
      file: 'n',
    });
    expect(await run('object-del', { id: 'g' })).toMatchObject(generic(/used/));
    await run('blockdev-del', { 'node-name': 't' });
    expect(await run('object-del', { id: 'g' })).toMatchObject(ok);
    expect(await run('object-del', { id: 'g' })).toMatchObject(generic(/g/));
  });

  test('TQ-11: limits that are not given keep their value, and the merged set is checked', async () => {
    await group('g', { limits: { 'iops-total': 100, 'iops-size': 4096 } });
    const set = (value: unknown) =>
      run('qom-set', { path: '/objects/g', property: 'limits', value });
    expect(await set({ 'iops-total': 200 })).toMatchObject(ok);
    expect(await run('qom-get', { path: 'g', property: 'limits' })).toMatchObject({
      return: { 'iops-total': 200, 'iops-size': 4096, 'bps-total': 0, 'bps-total-max-length': 1 },
    });
    expect(await set({ 'iops-read': 1 })).toMatchObject(generic(/iops/));
    expect(await set(5)).toMatchObject(generic(/object/));
    expect(await set({ 'iops-total': '5' })).toMatchObject(generic(/whole number/));
    expect(await run('qom-get', { path: 'g', property: 'x-iops-total' })).toMatchObject({
      return: 200,
    });
  });

  test('TQ-12: single properties come with the object, and cannot be changed afterwards', async () => {
    expect(
      await group('g', { 'x-iops-total': 5, limits: { 'iops-total': 1, 'bps-total': 7 } }),
    ).toMatchObject(ok);
    expect(await run('qom-get', { path: 'g', property: 'limits' })).toMatchObject({
      return: { 'iops-total': 1, 'bps-total': 7, 'iops-read': 0 },
    });
    expect(await run('qom-set', { path: 'g', property: 'x-iops-total', value: 6 })).toMatchObject(
      generic(/cannot be changed/),
    );
  });

  test('TQ-13: lengths above 2^32 - 1 are refused', async () => {
    const limits = (length: number) => ({
      limits: { 'bps-total': 1, 'bps-total-max': 2, 'bps-total-max-length': length },
    });
    expect(await group('g', limits(2 ** 32))).toMatchObject(generic(/4294967295/));
    expect(await group('g', limits(2 ** 32 - 1))).toMatchObject(ok);
  });

  test('an IOThread has the properties that QEMU gives it', async () => {
    expect(
      await run('object-add', { 'qom-type': 'iothread', id: 'io0', 'poll-max-ns': 5 }),
    ).toMatchObject(ok);
    expect(await run('qom-get', { path: 'io0', property: 'poll-max-ns' })).toMatchObject({
      return: 5,
    });
    expect(await run('qom-get', { path: 'io0', property: 'type' })).toMatchObject({
      return: 'iothread',
    });
    // What every object of JavaScript has is no property of these.
    for (const property of ['constructor', '__proto__', 'toString']) {
      expect(await run('qom-get', { path: 'io0', property })).toMatchObject(generic(/no property/));
    }
    const pollMax = () => AioContext.ioThread('io0')?.info().pollMaxNs;
    expect(pollMax()).toBe(5);
    expect(
      await run('qom-set', { path: 'io0', property: 'poll-max-ns', value: 7000 }),
    ).toMatchObject(ok);
    expect(pollMax()).toBe(7000);
    AioContext.ioThread('io0')?.setPollMaxNs(0);
    expect(await run('qom-get', { path: 'io0', property: 'poll-max-ns' })).toMatchObject({
      return: 0,
    });
    expect(await run('qom-set', { path: 'io0', property: 'poll-max-ns', value: -1 })).toMatchObject(
      generic(/poll-max-ns/),
    );
    expect(await run('qom-set', { path: 'io0', property: 'nonesuch', value: 1 })).toMatchObject(
      generic(/nonesuch/),
    );
    expect(await run('qom-get', { path: 'io0', property: 'nonesuch' })).toMatchObject(
      generic(/nonesuch/),
    );
    expect(await run('qom-list', { path: 'io0' })).toMatchObject({
      return: expect.arrayContaining([{ name: 'poll-max-ns', type: 'int' }]),
    });
    expect(await run('qom-list', { path: '/objects' })).toMatchObject({
      return: [
        { name: 'type', type: 'string' },
        { name: 'io0', type: 'child<iothread>' },
      ],
    });
    expect(await run('object-del', { id: 'io0' })).toMatchObject(ok);
    expect(await run('qom-list', { path: 'io0' })).toMatchObject(notFound(/io0/));
  });

  test('credentials for TLS: made from a directory, shown, and not changed', async () => {
    const { dir } = sharedKey();
    const add = (more: object) =>
      run('object-add', { 'qom-type': 'tls-creds-psk', id: 'tls0', ...more });
    expect(await add({})).toMatchObject(generic(/dir/));
    expect(await add({ dir, endpoint: 'both' })).toMatchObject(generic(/endpoint/));
    expect(await add({ dir: '/nowhere', endpoint: 'server' })).toMatchObject(
      generic(/\/nowhere\/keys\.psk/),
    );
    expect(await add({ dir, endpoint: 'server' })).toMatchObject(ok);
    expect(await add({ dir, endpoint: 'server' })).toMatchObject(generic(/already/));
    expect(await run('qom-get', { path: 'tls0', property: 'endpoint' })).toMatchObject({
      return: 'server',
    });
    expect(await run('qom-get', { path: 'tls0', property: 'verify-peer' })).toMatchObject({
      return: true,
    });
    expect(await run('qom-set', { path: 'tls0', property: 'dir', value: '/other' })).toMatchObject(
      generic(/cannot be changed/),
    );
    expect(await run('object-del', { id: 'tls0' })).toMatchObject(ok);
    expect(await add({ dir, 'qom-type': 'tls-creds-x509', endpoint: 'server' })).toMatchObject(
      generic(/ca-cert\.pem/),
    );
  });

  test.each([
    [{ 'qom-type': 'nonesuch', id: 'x' }],
    [{ 'qom-type': 'throttle-group', id: '0x' }],
    [{ 'qom-type': 'throttle-group' }],
    [{ 'qom-type': 'iothread', id: 'x', limits: {} }],
  ])('object-add refuses %j', async (options) => {
    expect(await run('object-add', options)).toMatchObject(generic(/./));
  });
});

describe('exports', () => {
  const address = () => ({ type: 'unix', data: { path: join(folder, 'nbd') } });

  afterEach(async () => {
    await run('nbd-server-stop');
  });

  test('nbd-server-start and -stop, block-export-add and -del, query-block-exports, and the event', async () => {
    const add = (more = {}) =>
      run('block-export-add', { type: 'nbd', id: 'e', 'node-name': 'n', ...more });
    await addNull('n');
    expect(await add()).toMatchObject(generic(/not running/));
    expect(await run('nbd-server-stop')).toMatchObject(generic(/not running/));
    expect(await run('nbd-server-start', { addr: address() })).toMatchObject(ok);
    expect(await run('nbd-server-start', { addr: address() })).toMatchObject(generic(/already/));
    expect(await add({ writable: true })).toMatchObject(ok);
    expect(await add()).toMatchObject(generic(/e/));
    expect(await add({ id: 'f', 'node-name': 'none' })).toMatchObject(generic(/none/));
    expect(await add({ id: 'f', type: 'fuse' })).toMatchObject(generic(/type/));
    expect(await run('query-block-exports')).toMatchObject({
      return: [{ id: 'e', type: 'nbd', 'node-name': 'n', 'shutting-down': false }],
    });
    expect(await run('block-export-del', { id: 'e', mode: 'soft' })).toMatchObject(generic(/mode/));
    expect(await run('block-export-del', { id: 'e' })).toMatchObject(ok);
    expect(await qmp.event('BLOCK_EXPORT_DELETED')).toMatchObject({ data: { id: 'e' } });
    expect(await run('block-export-del', { id: 'e' })).toMatchObject(generic(/e/));
    expect(await run('query-block-exports')).toMatchObject({ return: [] });
  });

  test('a server with credentials wants TLS; those of a client, and unknown ones, are refused', async () => {
    const { dir } = sharedKey();
    const start = (credentials: string) =>
      run('nbd-server-start', { addr: address(), 'tls-creds': credentials });
    const add = (id: string, endpoint: string) =>
      run('object-add', { 'qom-type': 'tls-creds-psk', id, dir, endpoint });
    expect(await start('none')).toMatchObject(generic(/none/));
    await add('ours', 'client');
    expect(await start('ours')).toMatchObject(generic(/endpoint/));
    await add('theirs', 'server');
    expect(await start('theirs')).toMatchObject(ok);
    const client = await NbdClient.greeted({ type: 'unix', path: join(folder, 'nbd') });
    expect((await client.option(Option.list)).map(({ type }) => type)).toEqual([Reply.tlsRequired]);
    client.destroy();
    for (const id of ['ours', 'theirs']) expect(await run('object-del', { id })).toMatchObject(ok);
  });

  test('bitmaps of an export are of its node', async () => {
    await addNull('n');
    await run('block-dirty-bitmap-add', { node: 'n', name: 'b', disabled: true });
    await run('nbd-server-start', { addr: address() });
    const add = (bitmaps: unknown[]) =>
      run('block-export-add', { type: 'nbd', id: 'e', 'node-name': 'n', bitmaps });
    expect(await add([{ node: 'm', name: 'b' }])).toMatchObject(generic(/another node/));
    expect(await add(['none'])).toMatchObject(generic(/none/));
    expect(await add([{ node: 'n', name: 'b' }])).toMatchObject(ok);
    expect(await run('nbd-server-stop')).toMatchObject(ok);
    expect(await run('block-dirty-bitmap-remove', { node: 'n', name: 'b' })).toMatchObject(ok);
  });

  test('an address is of one of the two kinds, and a port is a number', async () => {
    const start = (addr: object) => run('nbd-server-start', { addr });
    const inet = (port: unknown) => start({ type: 'inet', data: { host: '127.0.0.1', port } });
    expect(await inet('nbd')).toMatchObject(generic(/port/));
    expect(await inet('65536')).toMatchObject(generic(/port/));
    expect(await inet(0)).toMatchObject(generic(/addr.data.port/));
    expect(await start({ type: 'inet', host: '127.0.0.1', port: '0' })).toMatchObject(
      generic(/addr/),
    );
    expect(await start({ type: 'vsock', data: { cid: '1', port: '1' } })).toMatchObject(
      generic(/type/),
    );
    expect(await inet('0')).toMatchObject(ok);
  });
});

describe('queries', () => {
  test('drives, their statistics and what they do right now', async () => {
    const [blk] = await cdDrive({ driver: 'null-co', 'node-name': 'n', size: MIB });
    await blk.pread(0, Buffer.alloc(512));
    expect(await run('query-block')).toMatchObject({
      return: [{ device: 'disk', qdev: 'cd0', inserted: { 'node-name': 'n', drv: 'null-co' } }],
    });
    expect(await run('query-blockstats')).toMatchObject({
      return: [{ device: 'disk', qdev: 'cd0', 'node-name': 'n', stats: { rd_operations: 0 } }],
    });
    expect(await run('query-blockstats', { 'query-nodes': true })).toMatchObject({
      return: [{ 'node-name': 'n' }],
    });
    expect(await run('x-query-block-activity')).toMatchObject({
      return: [{ device: 'disk', qdev: 'cd0', 'in-flight': 0, parked: 0, throttled: 0 }],
    });
  });

  test('nodes, and the graph', async () => {
    await addNull('n');
    await run('blockdev-add', { driver: 'throttle', 'node-name': 't', file: 'n' });
    await run('blockdev-add', { driver: 'raw', 'node-name': 'r', file: 'n' });
    expect(await run('query-named-block-nodes')).toMatchObject({
      return: [{ 'node-name': 'r' }, { 'node-name': 'n' }],
    });
    expect(await run('query-named-block-nodes', { flat: true })).toMatchObject({
      return: [{ 'node-name': 'r', backing_file_depth: 0 }, { 'node-name': 'n' }],
    });
    expect(await run('x-debug-query-block-graph')).toMatchObject({
      return: {
        nodes: expect.arrayContaining([expect.objectContaining({ name: 'r' })]),
        edges: [expect.objectContaining({ name: 'file' })],
      },
    });
    await run('blockdev-del', { 'node-name': 'r' });
  });

  test('human-monitor-command answers with what the line prints', async () => {
    await cdDrive({ driver: 'null-co', size: MIB });
    const line = (text: string) => run('human-monitor-command', { 'command-line': text });
    expect(await line('info status')).toMatchObject({ return: 'VM status: running\r\n' });
    expect(await line('qemu-io disk "length"')).toMatchObject({ return: '1 MiB\r\n' });
    expect(await line('info block')).toMatchObject({ return: expect.stringMatching(/^disk/) });
    expect(await line('nonesuch')).toMatchObject({ return: "unknown command: 'nonesuch'\r\n" });
  });
});
