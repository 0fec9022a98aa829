import { BufferPool } from '../../lib/aio/pool.js';
import { Regions } from '../../lib/aio/regions.js';
import { type Lease, leaseSize, Slab } from '../../lib/aio/slab.js';
import { FakeBinding } from '../support/fake-binding.js';
import { program } from '../support/program.js';

const MIB = 1024 * 1024;

describe('slab', () => {
  test('leases have the next power of two, from 512 bytes to 1 MiB, then whole MiB', () => {
    expect([0, 1, 512, 513, 4096, 4097].map(leaseSize)).toEqual([512, 512, 512, 1024, 4096, 8192]);
    expect([MIB - 1, MIB, MIB + 1].map(leaseSize)).toEqual([MIB, MIB, 2 * MIB]);
    expect(leaseSize(2147483136)).toBe(2048 * MIB);
  });

  test('leases do not overlap, and are used again', () => {
    const fake = new FakeBinding();
    const slab = new Slab(fake.binding);
    const leases = Array.from({ length: 257 }, () => slab.lease(4096) as Lease);
    // 1 MiB holds 256 leases of 4 KiB.
    expect(fake.regions.size).toBe(2);
    const places = new Set(leases.map(({ region, offset }) => `${region}:${offset}`));
    expect(places.size).toBe(257);
    for (const lease of leases) slab.release(lease);
    expect([slab.totalBytes, slab.idleBytes]).toEqual([2 * MIB, 2 * MIB]);
    for (let index = 0; index < 512; index += 1) slab.lease(4096);
    expect(fake.regions.size).toBe(2);
    expect(slab.idleBytes).toBe(0);
  });

  test('unused memory is kept up to the limit', () => {
    const fake = new FakeBinding();
    const slab = new Slab(fake.binding, 2 * MIB);
    const leases = [1, 1, 1, 4].map((mib) => slab.lease(mib * MIB) as Lease);
    expect(slab.totalBytes).toBe(7 * MIB);
    for (const lease of leases) slab.release(lease);
    expect([slab.totalBytes, slab.idleBytes]).toEqual([2 * MIB, 2 * MIB]);
    expect([...fake.regions.values()]).toEqual([MIB, MIB]);
    slab.lease(MIB);
    slab.lease(MIB);
    expect([slab.totalBytes, slab.idleBytes]).toEqual([2 * MIB, 0]);
  });
});

describe('pool', () => {
  test('buffers are aligned to their size, up to a page, and never overlap', () => {
    const fake = new FakeBinding();
    const pool = new BufferPool(new Regions(fake.binding));
    const sizes = [1, 512, 513, 1025, 4095, 4096, 5000, 300_000];
    const buffers = sizes.map((size) => pool.allocate(size) as Buffer);
    expect(buffers.map(({ length }) => length)).toEqual(sizes);
    const alignments = [512, 512, 1024, 2048, 4096, 4096, 4096, 4096];
    expect(
      buffers.every(({ byteOffset }, index) => byteOffset % (alignments[index] ?? 0) === 0),
    ).toBe(true);
    for (const [index, buffer] of buffers.entries()) buffer.fill(index);
    expect(buffers.every((buffer, index) => buffer.every((byte) => byte === index))).toBe(true);
    // 300,000 bytes have a region of their own.
    expect([...fake.regions.values()]).toEqual([MIB, 303_104]);
  });

  test('regions are found by views of their buffer, and shared memory once', () => {
    const fake = new FakeBinding();
    const shared: number[] = [];
    const binding = Object.assign(fake, {
      regionShare: (view: Uint8Array) => {
        shared.push(view.byteLength);
        return 1000 + shared.length;
      },
    }).binding;
    const regions = new Regions(binding);
    const buffer = new BufferPool(regions).allocate(4096) as Buffer;
    expect(regions.find(buffer.subarray(10, 20))).toEqual({ id: 1, bytes: MIB });
    expect(regions.find(Buffer.alloc(10))).toBeUndefined();
    const memory = new SharedArrayBuffer(8192);
    expect(regions.find(new Uint8Array(memory))).toEqual({ id: 1001, bytes: 8192 });
    expect(regions.find(new DataView(memory, 10))).toEqual({ id: 1001, bytes: 8192 });
    expect(shared).toEqual([8192]);
  });
});

describe('memory of requests', () => {
  test('allocate() gives memory that cannot be transferred, and is freed with its last view', async () => {
    const seen = (await program(`
      const { BlockBackend } = require('block-backend');
      const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
      const resident = () => process.memoryUsage.rss() / 1048576;
      BlockBackend.open({ driver: 'null-co', 'read-zeroes': true }).then(async (blk) => {
        const buffer = blk.allocate(4096);
        try { structuredClone(buffer.buffer, { transfer: [buffer.buffer] }); } catch {}
        const attached = buffer.byteLength;
        const before = resident();
        let view;
        for (let index = 0; index < 200; index += 1) {
          const large = blk.allocate(10 * 1048576).fill(1);
          await blk.pread(0, large);
          view = large.subarray(0, 10);
          if (index % 10 === 9) { gc(); await turn(); }
        }
        gc(); await turn(); gc(); await turn();
        console.log(JSON.stringify({ attached, view: view[0], grown: resident() - before }));
        await blk.close();
      });
    `)) as { attached: number; view: number; grown: number };
    expect([seen.attached, seen.view]).toEqual([4096, 0]);
    // 2000 MiB went through; one buffer is still seen.
    expect(seen.grown).toBeLessThan(300);
  });

  test('importing the package, or an idle backend, keeps no process alive', async () => {
    const seen = await program(`
      const { BlockBackend } = require('block-backend');
      BlockBackend.open({ driver: 'null-co' }).then(async (blk) => {
        await blk.drainBegin();
        blk.pread(0, Buffer.alloc(512));
        console.log(JSON.stringify(blk.parked));
      });
    `);
    expect(seen).toBe(1);
  });

  test('a worker has an environment of its own', async () => {
    const seen = await program(`
      const { Worker } = require('node:worker_threads');
      const { BlockBackend } = require('block-backend');
      const code = \`
        const { parentPort } = require('node:worker_threads');
        const { BlockBackend } = require('block-backend');
        BlockBackend.open({ driver: 'null-co', 'node-name': 'n' }, { name: 'd' }).then(async (blk) => {
          const bytes = await blk.pread(0, Buffer.alloc(100));
          await blk.close();
          parentPort.postMessage(bytes);
        });
      \`;
      BlockBackend.open({ driver: 'null-co', 'node-name': 'n' }, { name: 'd' }).then((blk) => {
        const results = [1, 2].map(() => new Promise((resolve, reject) => {
          const worker = new Worker(code, { eval: true });
          worker.once('message', resolve);
          worker.once('error', reject);
        }));
        return Promise.all(results);
      }).then((results) => console.log(JSON.stringify(results)));
    `);
    expect(seen).toEqual([100, 100]);
  });
});
