import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { blk, withFolder } from '../support/blk';

const MIB = 1024 ** 2;
const NULL_DEVICE = 'json:{"driver":"null-co","size":1048576,"read-zeroes":true}';
const SHORT = ['--runtime', '200ms', '--json'];

async function bench(image: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await blk(['bench', image, ...SHORT, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^\w+: .*\n$/) });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('bench', () => {
  test.each([
    ['promise', 'pool'],
    ['promise', 'buffer'],
    ['callback', 'pool'],
    ['callback', 'buffer'],
  ])('bench: --api %s --memory %s reports all fields', async (api, memory) => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      // The first word of every sector is 3, so any number of 4 KiB reads gives a multiple of 24.
      const sector = new Uint32Array(128).fill(7);
      sector[0] = 3;
      writeFileSync(image, Buffer.alloc(MIB, Buffer.from(sector.buffer)));
      const report = await bench(image, '--api', api, '--memory', memory);
      expect(report).toMatchObject({
        rw: 'randread',
        bs: 4096,
        iodepth: 32,
        size: MIB,
        engine: expect.stringMatching(/^(io_uring|threads)$/),
        home: 'node',
        api,
        memory,
        iops: expect.any(Number),
        bytes_per_second: expect.any(Number),
        latency_ns: { p50: expect.any(Number), p99: expect.any(Number), max: expect.any(Number) },
        disk_latency_ns: { avg: expect.any(Number) },
        cpu_us_per_io: expect.any(Number),
      });
      const requests = report.requests as number;
      expect(requests).toBeGreaterThan(0);
      expect(report.checksum).toBe((requests * 24) % 2 ** 32);
      expect(report.bytes).toBe(requests * 4096);
    });
  });

  test('bench: the part of the disk is told apart, on every interface', async () => {
    const slow = 'json:{"driver": "null-aio", "size": 1048576, "latency-ns": 2000000}';
    for (const api of ['promise', 'callback', 'native']) {
      const { disk_latency_ns: disk, latency_ns: all } = (await bench(slow, '--api', api)) as {
        disk_latency_ns: { avg: number };
        latency_ns: { max: number };
      };
      expect(disk.avg).toBeGreaterThanOrEqual(2_000_000);
      expect(disk.avg).toBeLessThanOrEqual(all.max * (1 + 1 / 32));
    }
  });

  test('bench: a native load reports the same fields', async () => {
    const report = await bench(NULL_DEVICE, '--api', 'native', '--rw', 'randrw');
    expect(report).toMatchObject({ api: 'native', memory: 'native', checksum: 0 });
    expect(report.iops).toBeGreaterThan(0);
    expect(report.latency_ns).toEqual({
      p50: expect.any(Number),
      p99: expect.any(Number),
      max: expect.any(Number),
    });
  });

  test.each(['read', 'write', 'randread', 'randwrite', 'randrw'])(
    'bench: --rw %s needs no consent on a null device',
    async (rw) => {
      const report = await bench(NULL_DEVICE, '--rw', rw, '--bs', '64K', '--iodepth', '4');
      expect(report).toMatchObject({ rw, bs: 65536, iodepth: 4 });
      expect(report.requests).toBeGreaterThan(0);
    },
  );

  test.each([
    ['io_uring or threads', []],
    ['threads', ['--aio', 'threads']],
    ['an IOThread', ['--iothread']],
    ['an IOThread and a native load', ['--iothread', '--api', 'native']],
  ])('bench: writes with --yes, by %s, within --size', async (_, args) => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(MIB));
      const report = await bench(image, '--rw', 'write', '--yes', '--size', '64K', ...args);
      expect(report).toMatchObject({ rw: 'write', size: 65536 });
      expect(report.home).toBe(args.includes('--iothread') ? 'iothread' : 'node');
      expect(statSync(image).size).toBe(MIB);
    });
  });

  test('bench: bypasses the page cache with --direct', async () => {
    // Not in /tmp, which may be a file system without O_DIRECT.
    const image = join(__dirname, `../../build/bench-direct-${process.pid}.img`);
    mkdirSync(dirname(image), { recursive: true });
    writeFileSync(image, Buffer.alloc(MIB));
    try {
      const report = await bench(image, '--direct', '--memory', 'buffer');
      expect(report).toMatchObject({ direct: true });
    } finally {
      rmSync(image);
    }
  });

  test('bench: the table is for people', async () => {
    const { code, stdout } = await blk(['bench', NULL_DEVICE, '--runtime', '100ms']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/IOPS.*MiB\/s.*p50.*p99.*max.*CPU\/IO/);
    expect(stdout).toContain('checksum of the bytes read: 00000000');
  });
});
