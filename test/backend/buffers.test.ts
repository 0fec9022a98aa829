// What may happen to a user's memory while a request is in flight. "In flight" is made certain by a
// drained section: the request was handed over and waits natively until the section ends.
import { readFileSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import { BlockBackend, BlockUsageError } from '../../lib/index.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, rawOptions } from '../support/matrix.js';

const LENGTH = 4096;

/** ES2024, which Node 20 has and its types have not. */
type Resizable = ArrayBuffer & { resize(bytes: number): void };
type Growable = SharedArrayBuffer & { grow(bytes: number): void };

function resizable(bytes: number, maxByteLength: number): Resizable {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength }]) as Resizable;
}

function growable(bytes: number, maxByteLength: number): Growable {
  return Reflect.construct(SharedArrayBuffer, [bytes, { maxByteLength }]) as Growable;
}

/** Ways to lose the memory of a view that is LENGTH bytes long. */
const losses: Readonly<Record<string, (buffer: ArrayBuffer) => void>> = {
  'structuredClone with transfer': (buffer) => {
    structuredClone(buffer, { transfer: [buffer] });
  },
  'postMessage with transfer': (buffer) => {
    const { port1 } = new MessageChannel();
    port1.postMessage(buffer, [buffer]);
    port1.close();
  },
  'resize to 0': (buffer) => (buffer as Resizable).resize(0),
  'resize to half': (buffer) => (buffer as Resizable).resize(LENGTH / 2),
};

/** Sees the whole buffer, a fixed part of it, or whatever length it has. */
const views: Readonly<Record<string, (buffer: ArrayBuffer) => ArrayBufferView>> = {
  Buffer: (buffer) => Buffer.from(buffer, 0, LENGTH),
  'length-tracking Uint8Array': (buffer) => new Uint8Array(buffer),
  DataView: (buffer) => new DataView(buffer, 0, LENGTH),
  Float64Array: (buffer) => new Float64Array(buffer, 0, LENGTH / 8),
};

const bytesOf = (view: ArrayBufferView): Buffer =>
  Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

onEveryEngineAndHome((context) => {
  const open = (filename: string): Promise<BlockBackend> =>
    BlockBackend.open(rawOptions(filename), { context: context() });

  describe.each(Object.keys(losses))('%s', (loss) => {
    const lose = losses[loss] as (buffer: ArrayBuffer) => void;
    const memory = (): ArrayBuffer => resizable(LENGTH, LENGTH * 2);

    test.each(Object.keys(views))(
      'buffers: a write keeps the bytes that it got (%s)',
      async (kind) => {
        const filename = image(4 * LENGTH);
        await using blk = await open(filename);
        const section = await blk.drained();
        const writes = [0, LENGTH].map((offset) => {
          const buffer = memory();
          new Uint8Array(buffer).fill(0xa5);
          const view = views[kind]?.(buffer) as ArrayBufferView;
          const write = blk.pwrite(offset, view);
          // The first before it was handed over, in the same tick.
          if (offset === 0) lose(buffer);
          return { buffer, write };
        });
        await new Promise(setImmediate);
        lose(writes[1]?.buffer as ArrayBuffer);
        section.end();
        expect(await Promise.all(writes.map(({ write }) => write))).toEqual([LENGTH, LENGTH]);
        await blk.flush();
        expect(readFileSync(filename)).toEqual(
          Buffer.concat([Buffer.alloc(2 * LENGTH, 0xa5), Buffer.alloc(2 * LENGTH)]),
        );
      },
    );

    test.each(Object.keys(views))(
      'buffers: a read into it is refused, others are not (%s)',
      async (kind) => {
        await using blk = await open(image(4 * LENGTH, Buffer.from([7])));
        const section = await blk.drained();
        const lost = memory();
        const vectored = memory();
        const neighbour = Buffer.alloc(LENGTH);
        const beside = Buffer.alloc(LENGTH);
        const reads = [
          blk.pread(0, views[kind]?.(lost) as ArrayBufferView),
          blk.preadv(0, [beside, views[kind]?.(vectored) as ArrayBufferView]),
          blk.pread(0, neighbour),
        ];
        const settled = Promise.allSettled(reads);
        await new Promise(setImmediate);
        lose(lost);
        lose(vectored);
        section.end();
        const refused = {
          status: 'rejected',
          reason: expect.objectContaining({
            code: 'ERR_BLOCK_USAGE',
            message: 'a buffer was detached or shrunk while a request was reading into it',
          }),
        };
        expect(await settled).toEqual([refused, refused, { status: 'fulfilled', value: LENGTH }]);
        await expect(reads[0]).rejects.toBeInstanceOf(BlockUsageError);
        expect(neighbour.every((byte) => byte === 7)).toBe(true);
        expect(beside.every((byte) => byte === 0)).toBe(true);
        expect(blk.inFlight).toBe(0);
      },
    );
  });

  test.each(Object.keys(views))('buffers: memory lost before is no memory (%s)', async (kind) => {
    await using blk = await open(image(4 * LENGTH));
    const lost = resizable(LENGTH, LENGTH);
    const view = views[kind]?.(lost) as ArrayBufferView;
    structuredClone(lost, { transfer: [lost] });
    expect(await blk.pread(0, view)).toBe(0);
    expect(await blk.pwrite(0, view)).toBe(0);
    expect(await blk.preadv(0, [view, Buffer.alloc(512)])).toBe(512);
    expect(await blk.pwritev(0, [view, Buffer.alloc(512)])).toBe(512);
    await expect(blk.ioctl(0x1260, view)).rejects.toBeInstanceOf(Error);
  });

  test('buffers: a view that grows in flight gets the bytes it asked for', async () => {
    await using blk = await open(image(4 * LENGTH, Buffer.from([7])));
    const section = await blk.drained();
    const buffer = resizable(LENGTH, 2 * LENGTH);
    const reading = blk.pread(0, new Uint8Array(buffer));
    await new Promise(setImmediate);
    buffer.resize(2 * LENGTH);
    section.end();
    expect(await reading).toBe(LENGTH);
    expect(Buffer.from(buffer)).toEqual(
      Buffer.concat([Buffer.alloc(LENGTH, 7), Buffer.alloc(LENGTH)]),
    );
  });

  test('buffers: memory of the pool cannot be transferred away', async () => {
    await using blk = await open(image(4 * LENGTH, Buffer.from([7])));
    for (const bytes of [512, LENGTH, 1024 * 1024]) {
      const buffer = blk.allocate(bytes);
      const reading = blk.pread(0, buffer.subarray(0, 512));
      // Node 20 copies, later versions throw: either way it stays.
      try {
        structuredClone(buffer, { transfer: [buffer.buffer as ArrayBuffer] });
      } catch (error) {
        expect((error as Error).name).toBe('DataCloneError');
      }
      expect(buffer.byteLength).toBe(bytes);
      expect(await reading).toBe(512);
      expect(buffer.subarray(0, 512).every((byte) => byte === 7)).toBe(true);
    }
  });

  const uncopied: Readonly<Record<string, (blk: BlockBackend) => Uint8Array>> = {
    'pool memory': (blk) => blk.allocate(LENGTH),
    'part of pool memory': (blk) => blk.allocate(3 * LENGTH).subarray(LENGTH, 2 * LENGTH),
    SharedArrayBuffer: () => new Uint8Array(new SharedArrayBuffer(LENGTH)),
    'part of a SharedArrayBuffer': () =>
      new Uint8Array(new SharedArrayBuffer(3 * LENGTH), LENGTH, LENGTH),
    'growable SharedArrayBuffer': () => new Uint8Array(growable(LENGTH, 2 * LENGTH)),
  };

  test.each(Object.keys(uncopied))('buffers: %s is not copied', async (kind) => {
    const filename = image(4 * LENGTH, Buffer.from([7]));
    await using blk = await open(filename);
    const view = uncopied[kind]?.(blk) as Uint8Array;
    const section = await blk.drained();
    const write = blk.pwrite(LENGTH, view.fill(1));
    await new Promise(setImmediate);
    // Nobody should do this; it shows that the request has no bytes of its own.
    view.fill(2);
    section.end();
    expect(await write).toBe(LENGTH);
    expect(await blk.pread(0, view)).toBe(LENGTH);
    expect(view.every((byte) => byte === 7)).toBe(true);
    await blk.flush();
    expect(readFileSync(filename).subarray(LENGTH, 2 * LENGTH)).toEqual(Buffer.alloc(LENGTH, 2));
  });

  test('buffers: a growable SharedArrayBuffer grows in flight and between requests', async () => {
    await using blk = await open(image(4 * LENGTH, Buffer.from([7])));
    const buffer = growable(LENGTH, 4 * LENGTH);
    const section = await blk.drained();
    const first = blk.pread(0, new Uint8Array(buffer));
    await new Promise(setImmediate);
    buffer.grow(2 * LENGTH);
    const second = blk.pread(0, new Uint8Array(buffer, LENGTH));
    section.end();
    expect(await Promise.all([first, second])).toEqual([LENGTH, LENGTH]);
    buffer.grow(3 * LENGTH);
    expect(await blk.pread(0, new Uint8Array(buffer, 2 * LENGTH, 512))).toBe(512);
    expect(Buffer.from(buffer).indexOf(0)).toBe(2 * LENGTH + 512);
  });

  const kinds: Readonly<Record<string, (bytes: Uint8Array) => ArrayBufferView>> = {
    'Buffer inside a larger one': (bytes) => Buffer.concat([Buffer.alloc(13), bytes]).subarray(13),
    DataView: (bytes) => new DataView(new Uint8Array([9, 9, 9, ...bytes]).buffer, 3),
    Int8Array: (bytes) => new Int8Array(bytes),
    Uint16Array: (bytes) => new Uint16Array(new Uint8Array([0, 0, ...bytes]).buffer, 2),
    Float64Array: (bytes) => new Float64Array(Uint8Array.from(bytes).buffer),
    BigUint64Array: (bytes) => new BigUint64Array(Uint8Array.from(bytes).buffer),
  };

  test.each(Object.keys(kinds))('buffers: bytes cross a %s unchanged', async (kind) => {
    const content = Buffer.from(Array.from({ length: 1024 }, (_, index) => (index * 7) & 0xff));
    const filename = image(4 * LENGTH);
    await using blk = await open(filename);
    const written = kinds[kind]?.(content) as ArrayBufferView;
    expect(await blk.pwrite(512, written)).toBe(1024);
    const read = kinds[kind]?.(Buffer.alloc(1024)) as ArrayBufferView;
    expect(await blk.pread(512, read)).toBe(1024);
    expect(bytesOf(read)).toEqual(content);
    await blk.flush();
    expect(readFileSync(filename).subarray(512, 1536)).toEqual(content);
  });

  test('buffers: vectors mix all kinds, zero-length ones included', async () => {
    const content = Buffer.from(Array.from({ length: LENGTH }, (_, index) => (index * 3) & 0xff));
    const filename = image(4 * LENGTH);
    await using blk = await open(filename);
    const pool = blk.allocate(1024);
    const make = (): ArrayBufferView[] => [
      Buffer.alloc(100),
      pool.subarray(0, 512),
      Buffer.alloc(0),
      // Follows the one above in memory, so both become one piece.
      pool.subarray(512),
      new Uint8Array(new SharedArrayBuffer(1000), 200, 700),
      new Float64Array(4),
      new Uint16Array(8),
      new DataView(new ArrayBuffer(1000), 10, 900),
      blk.allocate(0),
      Buffer.alloc(LENGTH - 100 - 1024 - 700 - 32 - 16 - 900),
    ];
    const written = make();
    let at = 0;
    for (const view of written) {
      bytesOf(view).set(content.subarray(at, at + view.byteLength));
      at += view.byteLength;
    }
    expect(await blk.pwritev(1, written)).toBe(LENGTH);
    pool.fill(0);
    const read = make();
    expect(await blk.preadv(1, read)).toBe(LENGTH);
    expect(Buffer.concat(read.map(bytesOf))).toEqual(content);
    await blk.flush();
    expect(readFileSync(filename).subarray(1, 1 + LENGTH)).toEqual(content);
  });

  test('buffers: zero-length requests of every kind', async () => {
    await using blk = await open(image(LENGTH));
    const empty = [Buffer.alloc(0), blk.allocate(0), new Uint8Array(new SharedArrayBuffer(0))];
    for (const view of empty) {
      expect(await blk.pread(LENGTH, view)).toBe(0);
      expect(await blk.pwrite(0, view)).toBe(0);
    }
    expect(await blk.preadv(0, empty)).toBe(0);
    expect(await blk.pwritev(0, [])).toBe(0);
  });

  test('buffers: a request on memory of the pool ends like one on any other', async () => {
    await using blk = await open(image(LENGTH));
    await using empty = new BlockBackend({ context: context() });
    const closed = await open(image(LENGTH));
    const kinds = [blk.allocate(512), Buffer.alloc(512)];
    await closed.close();
    const outcomeOf = (error: unknown): unknown => {
      const { name, code, message } = error as NodeJS.ErrnoException;
      return { name, code, message };
    };
    const promised = (request: Promise<number>): Promise<unknown> => request.catch(outcomeOf);
    const called = (submit: (done: (error: Error | null, result: number) => void) => void) =>
      new Promise<unknown>((resolve) => {
        submit((error, result) => resolve(error ? outcomeOf(error) : result));
      });
    const thrown = (run: () => number): unknown => {
      try {
        return run();
      } catch (error) {
        return outcomeOf(error);
      }
    };
    const signal = AbortSignal.abort();
    const offsets = [0, 1n, LENGTH - 511, -1, 1.5, Number.NaN, 2 ** 60, '0', undefined] as number[];
    const all: unknown[][] = [];
    for (const view of [...kinds, Object.create(blk.allocate(512)) as Buffer]) {
      const outcomes: unknown[] = [];
      for (const backend of [blk, empty, closed]) {
        for (const at of offsets) {
          outcomes.push(
            await promised(backend.pread(at, view)),
            await promised(backend.pwrite(at, view)),
            await promised(backend.pwrite(at, view, { signal })),
            await called((done) => backend.aio.pread(at, view, done)),
            await called((done) => backend.aio.pwrite(at, view, done)),
            await called((done) => backend.aio.pwrite(at, view, done, { signal })),
            thrown(() => backend.preadSync(at, view)),
            thrown(() => backend.pwriteSync(at, view)),
            thrown(() => backend.pwriteSync(at, view, { signal })),
          );
        }
      }
      all.push(outcomes);
    }
    const [pool, other, none] = all;
    expect(pool).toEqual(other);
    expect(pool?.filter((outcome) => outcome === 512)).toHaveLength(2 * 6);
    // Inherits all from memory of the pool, and is none.
    const names = none?.map((outcome) => (outcome as { name: string }).name);
    expect(new Set(names)).toEqual(new Set(['TypeError']));
  });
});
