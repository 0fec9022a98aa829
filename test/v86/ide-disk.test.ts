// The disk that v86's IDE controller calls, without the machine.
import { BlockBackend, probe, RunState, setRunState } from '../../lib/index.js';
import { IdeDisk } from '../../lib/v86/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { makeImage } from '../support/requests.js';
import { turn, until } from '../support/waiting.js';

const folder = scratchFolder();

onEveryEngineAndHome((context) => {
  let machine: RunState;
  beforeEach(() => {
    machine = new RunState();
    setRunState(machine);
  });
  afterEach(async () => {
    setRunState(new RunState());
    // A stop that was posted holds what it flushes.
    await until(() => BlockBackend.all().length === 0);
  });

  const open = (options: object = { driver: 'x-probe', 'node-name': 'n' }, settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });
  const read = (disk: IdeDisk, offset: number, length: number) =>
    new Promise<Uint8Array>((resolve) => disk.get(offset, length, resolve));
  const write = (disk: IdeDisk, offset: number, data: Uint8Array) =>
    new Promise<void>((resolve) => disk.set(offset, data, resolve));
  const sector = (fill: number) => new Uint8Array(512).fill(fill);

  test('v86: what was written is read, and data may change as soon as set() returned', async () => {
    await using blk = await open();
    const disk = await IdeDisk.open(blk);
    const data = sector(7);
    const written = write(disk, 1024, data);
    data.fill(9);
    await written;
    expect(await read(disk, 1024, 512)).toEqual(sector(7));
    expect(await read(disk, 0, 512)).toEqual(sector(0));
  });

  test('v86: every write is durable before it ends', async () => {
    await using blk = await open();
    const disk = await IdeDisk.open(blk);
    expect(blk.writeCache).toBe(false);
    const before = probe('n').calls('flush');
    await write(disk, 0, sector(1));
    expect(probe('n').calls('flush')).toBe(before + 1);
  });

  test('v86: a read waits for the overlapping writes before it, others do not', async () => {
    await using blk = await open();
    const disk = await IdeDisk.open(blk);
    probe('n').hold('pwrite', 'w');
    const order: string[] = [];
    disk.set(512, sector(5), () => order.push('write'));
    disk.get(512, 512, (data) => order.push(`overlapping ${data[0]}`));
    disk.get(4096, 512, () => order.push('elsewhere'));
    await until(() => order.length === 1);
    expect([order, disk.pending]).toEqual([['elsewhere'], 2]);
    probe('n').release('w');
    await disk.idle();
    expect(order).toEqual(['elsewhere', 'write', 'overlapping 5']);
  });

  test('v86: a failed write is held, the machine stops, and nothing is lost when it goes on', async () => {
    await using blk = await open(
      { driver: 'x-probe', 'node-name': 'n', fail: 'pwrite:28:2' },
      { werror: 'stop' },
    );
    blk.iostatusEnable();
    const disk = await IdeDisk.open(blk);
    machine.addHandler((state) => {
      if (state === 'running') disk.resume();
    });
    let ended = false;
    disk.set(0, sector(3), () => {
      ended = true;
    });
    for (const _failure of [1, 2]) {
      await until(() => machine.state === 'io-error');
      expect([ended, disk.held.length, blk.iostatus]).toEqual([false, 1, 'nospace']);
      expect(disk.held[0]).toMatchObject({ isRead: false, error: { code: 'ENOSPC' } });
      blk.iostatusReset();
      await machine.start();
    }
    await until(() => ended);
    expect([await read(disk, 0, 512), disk.held]).toEqual([sector(3), []]);
  });

  test('v86: an error that IDE cannot report stops the machine; an ignored one reads as zeroes', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n', fail: 'pread:5:2' });
    const disk = await IdeDisk.open(blk);
    await write(disk, 0, sector(6));
    const first = read(disk, 0, 512);
    await until(() => machine.state === 'io-error');
    blk.setOnError('ignore', 'ignore');
    disk.resume();
    expect(await first).toEqual(sector(0));
    expect(await read(disk, 0, 512)).toEqual(sector(6));
  });

  test('v86: an aborted read calls back with zeroes, a closed disk drops what it holds', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'n', fail: 'pread:5:2' });
    const disk = await IdeDisk.open(blk);
    const abort = new AbortController();
    const aborted = new Promise<Uint8Array>((resolve) =>
      disk.get(0, 512, resolve, { signal: abort.signal }),
    );
    await until(() => disk.held.length === 1);
    abort.abort();
    expect(await aborted).toEqual(sector(0));
    const held = read(disk, 0, 512);
    await until(() => disk.held.length === 1);
    disk.close();
    expect([await held, disk.pending]).toEqual([sector(0), 0]);
    await turn();
  });

  test('v86: an image that ends within a sector has that sector; the rest of it is zeroes', async () => {
    const filename = makeImage(folder, `${context().name}-odd.img`, 1000, 0x55);
    await using blk = await open({
      driver: 'raw',
      file: { driver: 'file', filename },
    });
    const disk = await IdeDisk.open(blk);
    // A raw image counts whole sectors (RAW-1); a CD-ROM has larger ones.
    expect(disk.byteLength).toBe(1024);
    const cd = await IdeDisk.open(blk, { sectorSize: 2048 });
    expect(cd.byteLength).toBe(2048);
    let data: Uint8Array | undefined;
    cd.get(0, 2048, (answer) => {
      data = answer;
    });
    await until(() => cd.pending === 0 || cd.held.length > 0);
    expect(cd.held).toEqual([]);
    await turn();
    expect([data?.[999], data?.[1000], data?.[2047]]).toEqual([0x55, 0, 0]);
  });

  test('v86: the state is the length alone, and fits only a disk of that length', async () => {
    await using blk = await open();
    const disk = await IdeDisk.open(blk);
    const state = disk.get_state();
    expect(state).toEqual([disk.byteLength]);
    disk.set_state(state);
    expect(() => disk.set_state([512])).toThrow('512 bytes');
    const loaded: object[] = [];
    disk.onload = (event) => loaded.push(event);
    disk.load();
    expect([loaded.length, disk.get_from_cache(0, 512)]).toEqual([1, undefined]);
  });
});
