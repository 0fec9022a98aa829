// The virtio-blk device on a stand-in for v86's class for virtio devices, without the machine.
import { BlockBackend, probe, RunState, setRunState } from '../../lib/index.js';
import { type V86Emulator, VirtioBlk } from '../../lib/v86/index.js';
import type { BufferChain, VirtioDevice, VirtioOptions } from '../../lib/v86/machine.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { until } from '../support/waiting.js';

const SECTOR = 512;
const MEMORY = 1 << 20;
const Type = { in: 0, out: 1, flush: 4, getId: 8, discard: 11, writeZeroes: 13 };
const OK = 0;
const IO_ERROR = 1;
const UNSUPPORTED = 2;

/** A request of the guest, and what it gets. */
class Chain implements BufferChain {
  readonly read_buffers: BufferChain['read_buffers'];
  readonly write_buffers: BufferChain['write_buffers'];
  readonly answer: number[] = [];
  readonly #request: Uint8Array;

  constructor(request: Uint8Array, room: number, address = 4096) {
    this.#request = request;
    this.read_buffers = [{ addr_low: address, addr_high: 0, len: request.length }];
    this.write_buffers = [{ addr_low: 8192, addr_high: 0, len: room + 1 }];
  }

  get length_readable(): number {
    return this.#request.length;
  }

  get length_writable(): number {
    return this.write_buffers[0]?.len ?? 0;
  }

  get_next_blob(target: Uint8Array): number {
    target.set(this.#request);
    return this.#request.length;
  }

  set_next_blob(source: Uint8Array): number {
    this.answer.push(...source);
    return source.length;
  }

  get status(): number | undefined {
    return this.answer.at(-1);
  }
}

/** As much of v86's VirtIO as the device uses. */
class FakeVirtio implements VirtioDevice {
  static latest: FakeVirtio;
  readonly options: VirtioOptions;
  readonly waiting: Chain[] = [];
  readonly replies: BufferChain[] = [];
  readonly features = new Set<number>([9]);
  resets = 0;
  broken = 0;
  readonly queues = [
    {
      has_request: () => this.waiting.length > 0,
      pop_request: () => this.waiting.shift() as Chain,
      push_reply: (chain: BufferChain) => this.replies.push(chain),
      flush_replies: () => {},
    },
  ];

  constructor(_cpu: object, options: VirtioOptions) {
    this.options = options;
    FakeVirtio.latest = this;
  }

  is_feature_negotiated(feature: number): boolean {
    return this.features.has(feature);
  }

  needs_reset(): void {
    this.broken += 1;
  }

  reset(): void {
    this.resets += 1;
  }

  send(...chains: Chain[]): void {
    this.waiting.push(...chains);
    this.options.notification.handlers[0]?.(0);
  }

  field(name: string) {
    return this.options.device_specific.struct.find((field) => field.name === name);
  }
}

function emulator(): V86Emulator {
  const balloon = { virtio: Object.create(FakeVirtio.prototype) };
  return {
    v86: { cpu: { mem8: new Uint8Array(MEMORY), devices: { virtio_balloon: balloon } } },
  };
}

function request(type: number, sector: number, payload = new Uint8Array(0), room = 0): Chain {
  const bytes = new Uint8Array(16 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  bytes.set(payload, 16);
  return new Chain(bytes, room);
}

/** Of a discard or zero-write. */
function segment(sector: number, sectors: number, flags = 0) {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, sectors, true);
  view.setUint32(12, flags, true);
  return new Uint8Array(view.buffer);
}

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

  const open = (more = {}, settings = {}) =>
    BlockBackend.open({ driver: 'x-probe', 'node-name': 'n', size: 65536, ...more } as never, {
      context: context(),
      ...settings,
    });
  const run = async (device: VirtioBlk, ...chains: Chain[]) => {
    FakeVirtio.latest.send(...chains);
    await device.idle();
    return chains.map(({ status }) => status);
  };

  test('v86: virtio reads what it wrote, and flushes', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    const read = request(Type.in, 2, undefined, SECTOR);
    const out = request(Type.out, 2, new Uint8Array(SECTOR).fill(8));
    expect(await run(device, out)).toEqual([OK]);
    expect(probe('n').calls('flush')).toBe(0);
    expect(await run(device, read, request(Type.flush, 0))).toEqual([OK, OK]);
    expect(read.answer).toEqual([...new Uint8Array(SECTOR).fill(8), OK]);
    expect(probe('n').calls('flush')).toBe(1);
  });

  test('v86: a guest that does not wait has as much under way as its queue is long', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    const driver = probe('n');
    driver.hold('pread', 'tag');
    const chains = Array.from({ length: 300 }, () => request(Type.in, 0, undefined, SECTOR));
    const answered = run(device, ...chains);
    FakeVirtio.latest.reset();
    FakeVirtio.latest.send();
    await until(() => driver.held('tag') === 128);
    expect(device.pending).toBe(128);
    driver.release('tag');
    expect((await answered).slice(128)).toEqual(new Array(172).fill(OK));
    expect(FakeVirtio.latest.broken).toBe(0);
  });

  test('v86: each answer of a full queue makes room for the next request', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    const driver = probe('n');
    driver.hold('pwrite', 'w');
    driver.hold('pread', 'r');
    const reads = Array.from({ length: 128 }, () => request(Type.in, 0, undefined, SECTOR));
    const out = request(Type.out, 2, new Uint8Array(SECTOR));
    FakeVirtio.latest.send(out, ...reads);
    await until(() => driver.held('r') === 127 && driver.held('w') === 1);
    driver.release('w');
    await until(() => out.status === OK);
    const { pending } = device;
    driver.release('r');
    await device.idle();
    expect(pending).toBe(128);
  });

  test('v86: a guest that cannot flush, or switched the cache off, writes through', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    const virtio = FakeVirtio.latest;
    const out = () => request(Type.out, 0, new Uint8Array(SECTOR));
    virtio.field('writeback')?.write(0);
    await run(device, out());
    expect(probe('n').calls('flush')).toBe(1);
    virtio.field('writeback')?.write(1);
    virtio.features.clear();
    await run(device, out());
    expect(probe('n').calls('flush')).toBe(2);
  });

  test('v86: discards and zero-writes reach the backend, with what their flags say', async () => {
    await using blk = await open({ discard: 'unmap' });
    const device = await VirtioBlk.attach(emulator(), blk);
    expect(
      await run(
        device,
        request(Type.out, 0, new Uint8Array(2 * SECTOR).fill(1)),
        request(Type.writeZeroes, 0, segment(0, 1)),
        request(Type.writeZeroes, 0, segment(1, 1, 1)),
        request(Type.writeZeroes, 0, segment(1, 1, 2)),
        request(Type.discard, 0, segment(0, 128)),
        request(Type.discard, 0, segment(0, 1, 1)),
      ),
    ).toEqual([OK, OK, OK, UNSUPPORTED, OK, UNSUPPORTED]);
    const { pwriteZeroes, pdiscard } = probe('n').counters();
    expect([pwriteZeroes, pdiscard]).toEqual([2, 1]);
  });

  test('v86: the serial is at most 20 bytes, and what is unknown is unsupported', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk, { serial: 'disk-0' });
    const id = request(Type.getId, 0, undefined, 20);
    expect(await run(device, id, request(77, 0))).toEqual([OK, UNSUPPORTED]);
    expect(Buffer.from(id.answer.slice(0, 6)).toString()).toBe('disk-0');
  });

  test('v86: an error is reported to the guest, and nothing else breaks', async () => {
    await using blk = await open({ fail: 'pread:5:1,pwrite:5:1' }, { werror: 'report' });
    const device = await VirtioBlk.attach(emulator(), blk);
    const out = () => request(Type.out, 0, new Uint8Array(SECTOR));
    const read = () => request(Type.in, 0, undefined, SECTOR);
    expect(await run(device, out(), read())).toEqual([IO_ERROR, IO_ERROR]);
    expect(await run(device, out(), read())).toEqual([OK, OK]);
    // Beyond the end, half a sector, and an absurd offset.
    expect(
      await run(
        device,
        request(Type.in, 128, undefined, SECTOR),
        request(Type.in, 0, undefined, 100),
        request(Type.in, Number.MAX_SAFE_INTEGER, undefined, SECTOR),
      ),
    ).toEqual([IO_ERROR, IO_ERROR, IO_ERROR]);
    expect(machine.state).toBe('running');
  });

  test('v86: with werror=stop the request is kept until the machine goes on', async () => {
    await using blk = await open({ fail: 'pwrite:28:1' }, { werror: 'stop' });
    const device = await VirtioBlk.attach(emulator(), blk);
    const out = request(Type.out, 0, new Uint8Array(SECTOR).fill(4));
    FakeVirtio.latest.send(out);
    await until(() => machine.state === 'io-error');
    expect([out.status, device.held.length, device.pending]).toEqual([undefined, 1, 1]);
    await machine.start();
    device.resume();
    await device.idle();
    const data = Buffer.alloc(SECTOR);
    await blk.pread(0, data);
    expect([out.status, data[0]]).toEqual([OK, 4]);
  });

  test('v86: chains that lie are no reason to read past the memory: the device wants a reset', async () => {
    await using blk = await open();
    await VirtioBlk.attach(emulator(), blk);
    const virtio = FakeVirtio.latest;
    virtio.send(new Chain(new Uint8Array(16), 0, MEMORY - 8));
    virtio.send(new Chain(new Uint8Array(8), 0));
    expect([virtio.broken, virtio.replies]).toEqual([2, []]);
  });

  test('v86: a chain may end where the memory ends', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    // Of a flush: a header alone, of type 4.
    const flush = new Chain(Uint8Array.of(4, ...new Uint8Array(15)), 0, MEMORY - 16);
    expect(await run(device, flush)).toEqual([OK]);
  });

  test('v86: what was asked before a reset is not answered after it', async () => {
    await using blk = await open();
    const device = await VirtioBlk.attach(emulator(), blk);
    const virtio = FakeVirtio.latest;
    probe('n').hold('pread', 'r');
    const read = request(Type.in, 0, undefined, SECTOR);
    virtio.send(read);
    await until(() => probe('n').held('r') === 1);
    virtio.reset();
    probe('n').release('r');
    await device.idle();
    expect([virtio.resets, virtio.replies, read.answer]).toEqual([1, [], []]);
  });

  test('v86: its fields are where VIRTIO 1.2, 5.2.4 has them', async () => {
    await using blk = await open();
    await VirtioBlk.attach(emulator(), blk);
    let end = 0;
    const places = FakeVirtio.latest.options.device_specific.struct.map(({ name, bytes }) => {
      end += bytes;
      return [name, end - bytes];
    });
    expect(Object.fromEntries(places)).toMatchObject({
      'capacity (low)': 0,
      'capacity (high)': 4,
      size_max: 8,
      seg_max: 12,
      cylinders: 16,
      heads: 18,
      sectors: 19,
      blk_size: 20,
      physical_block_exp: 24,
      alignment_offset: 25,
      min_io_size: 26,
      opt_io_size: 28,
      writeback: 32,
      num_queues: 34,
      max_discard_sectors: 36,
      max_discard_seg: 40,
      discard_sector_alignment: 44,
      max_write_zeroes_sectors: 48,
      max_write_zeroes_seg: 52,
      write_zeroes_may_unmap: 56,
    });
  });

  test('v86: up to four devices have PCI slots 13 to 16, and ports of their own', async () => {
    await using blk = await open();
    const places: number[][] = [];
    for (const index of [0, 1, 2, 3]) {
      await VirtioBlk.attach(emulator(), blk, { index });
      const { pci_id: function0, common } = FakeVirtio.latest.options;
      places.push([function0 / 8, common.initial_port]);
    }
    expect(places).toEqual([
      [13, 0xe000],
      [14, 0xe100],
      [15, 0xe200],
      [16, 0xe300],
    ]);
  });

  test('v86: it says how large it is; a wrong index, and a machine without virtio, are refused', async () => {
    await using blk = await open();
    await VirtioBlk.attach(emulator(), blk, { index: 1 });
    expect([
      FakeVirtio.latest.field('capacity (low)')?.read(),
      FakeVirtio.latest.options.name,
    ]).toEqual([128, 'virtio-blk1']);
    await expect(VirtioBlk.attach(emulator(), blk, { index: 4 })).rejects.toThrow('0 to 3');
    const bare = { v86: { cpu: { mem8: new Uint8Array(1), devices: {} } } };
    await expect(VirtioBlk.attach(bare, blk)).rejects.toThrow('virtio_balloon');
  });
});
