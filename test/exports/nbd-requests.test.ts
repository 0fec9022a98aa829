import { readFileSync, statSync } from 'node:fs';
import { blockDirtyBitmapAdd, blockdevDel, type NbdServer } from '../../lib/index.js';
import { image } from '../support/images.js';
import { diskNode, freshName, listen, served } from '../support/nbd.js';
import { Command, Flag, NbdClient, numbers, WireError } from '../support/nbd-client.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { until } from '../support/waiting.js';

const seed = chooseSeed();
const SIZE = 1 << 20;
const BLOCK = 4096;

interface Case {
  readonly server: NbdServer;
  readonly name: string;
  readonly filename: string;
  readonly node: string;
}

async function withDisk(body: (given: Case) => Promise<void>): Promise<void> {
  const filename = image(SIZE);
  await served(filename, ({ server, item, node }) =>
    body({ server, name: item.name, filename, node }),
  );
}

const STYLES = [{}, { structured: true }, { extended: true }] as const;

describe.each(STYLES)('nbd: requests with %j', (style) => {
  test('EXP-8: FUA, TRIM, WRITE_ZEROES and their flags do what they say', () =>
    withDisk(async ({ server, name, filename }) => {
      const client = await NbdClient.ready(server.address, name, style);
      const length = client.extended ? Flag.payloadLength : 0;
      const data = Buffer.alloc(4 * BLOCK, 0x5a);
      const wrote = await client.request({
        command: Command.write,
        flags: Flag.fua | length,
        offset: BLOCK,
        data,
      });
      expect(wrote.error).toBe(0);
      expect(readFileSync(filename).subarray(BLOCK, 5 * BLOCK)).toEqual(data);
      for (const [command, flags] of [
        [Command.writeZeroes, 0],
        [Command.writeZeroes, Flag.noHole],
        [Command.writeZeroes, Flag.fua | Flag.fastZero],
        [Command.trim, Flag.fua],
        [Command.trim, 0],
      ] as const) {
        await client.request({ command: Command.write, flags: length, offset: BLOCK, data });
        const { error } = await client.request({ command, flags, offset: BLOCK, length: BLOCK });
        expect(error).toBe(0);
        const back = await client.request({ command: Command.read, offset: 0, length: 6 * BLOCK });
        expect(back.data).toEqual(
          Buffer.concat([Buffer.alloc(2 * BLOCK), data.subarray(BLOCK), Buffer.alloc(BLOCK)]),
        );
      }
      expect((await client.request({ command: Command.flush })).error).toBe(0);
      const cached = await client.request({ command: Command.cache, offset: 0, length: SIZE });
      expect(cached.error).toBe(0);
      await client.disconnect();
    }));

  test('EXP-9: what is beyond the end, too long or unknown is refused, and the connection stays', () =>
    withDisk(async ({ server, name }) => {
      const client = await NbdClient.ready(server.address, name, style);
      const length = client.extended ? Flag.payloadLength : 0;
      const refused: readonly [Parameters<NbdClient['request']>[0], number][] = [
        [{ command: Command.read, offset: SIZE, length: 1 }, WireError.EINVAL],
        [{ command: Command.read, offset: 2n ** 64n - 1n, length: 2 }, WireError.EINVAL],
        [{ command: Command.read, offset: SIZE - 1, length: 2 }, WireError.EINVAL],
        [{ command: Command.read, length: (32 << 20) + 1 }, WireError.EINVAL],
        [{ command: Command.read, flags: Flag.noHole, length: 1 }, WireError.EINVAL],
        [{ command: Command.read, flags: 0x8000, length: 1 }, WireError.EINVAL],
        [{ command: Command.trim, offset: SIZE, length: BLOCK }, WireError.EINVAL],
        [{ command: Command.cache, offset: SIZE, length: BLOCK }, WireError.EINVAL],
        [{ command: Command.writeZeroes, offset: SIZE, length: BLOCK }, WireError.ENOSPC],
        [{ command: Command.blockStatus, length: BLOCK }, WireError.EINVAL],
        [{ command: 77, length: BLOCK }, WireError.EINVAL],
        [
          { command: Command.write, flags: length, offset: SIZE - 1, data: Buffer.alloc(BLOCK) },
          WireError.ENOSPC,
        ],
        [{ command: Command.write, flags: 0x40 | length, data: Buffer.alloc(9) }, WireError.EINVAL],
      ];
      for (const [fields, error] of refused) {
        expect([fields, (await client.request(fields)).error]).toEqual([fields, error]);
      }
      // The payload of one that is too long is taken off the stream, too.
      const huge = Buffer.alloc((32 << 20) + 512, 1);
      const { error } = await client.request({ command: Command.write, flags: length, data: huge });
      expect([WireError.EINVAL, WireError.ENOSPC]).toContain(error);
      const { data } = await client.request({ command: Command.read, offset: SIZE - 8, length: 8 });
      expect(data).toEqual(Buffer.alloc(8));
      await client.disconnect();
    }));

  test(`nbd: requests that overlap in time are each answered, with the right bytes (seed ${seed})`, () =>
    withDisk(async ({ server, name, filename }) => {
      const below = randomNumbers(seed);
      const client = await NbdClient.ready(server.address, name, style);
      const length = client.extended ? Flag.payloadLength : 0;
      const model = Buffer.alloc(SIZE);
      for (let round = 0; round < 20; round += 1) {
        // Each in a place of its own, as the order of overlapping writes is not given.
        const writes = new Set<bigint>();
        for (let at = 0; at < 64; at += 1) {
          const data = Buffer.alloc(1 + below(BLOCK * 2), below(256));
          const offset = at * 2 * BLOCK + below(BLOCK);
          const bytes = data.subarray(0, Math.min(data.length, (at + 1) * 2 * BLOCK - offset));
          bytes.copy(model, offset);
          writes.add(
            client.sendRequest({ command: Command.write, flags: length, offset, data: bytes }),
          );
        }
        while (writes.size > 0) {
          const answer = await client.answer();
          expect(answer.error).toBe(0);
          expect(writes.delete(answer.cookie)).toBe(true);
        }
        const reads = new Map<bigint, [number, number]>();
        for (let at = 0; at < 64; at += 1) {
          const offset = below(SIZE);
          const bytes = below(Math.min(SIZE - offset, 100_000)) + 1;
          const fields = { command: Command.read, offset, length: bytes };
          reads.set(client.sendRequest(fields), [offset, bytes]);
        }
        while (reads.size > 0) {
          const answer = await client.answer();
          const [offset, bytes] = reads.get(answer.cookie) ?? [0, 0];
          expect(reads.delete(answer.cookie)).toBe(true);
          expect(answer.data.equals(model.subarray(offset, offset + bytes))).toBe(true);
        }
      }
      await client.disconnect();
      expect(readFileSync(filename).equals(model)).toBe(true);
    }));
});

describe('nbd: transmission', () => {
  test('EXP-8: a zero-write gives the space back, unless NO_HOLE says that it must not', () =>
    withDisk(async ({ server, name, filename }) => {
      const client = await NbdClient.ready(server.address, name);
      const length = 64 * BLOCK;
      const space = async (flags: number): Promise<number> => {
        const data = Buffer.alloc(length, 1);
        await client.request({ command: Command.write, flags: Flag.fua, data });
        const { error } = await client.request({ command: Command.writeZeroes, flags, length });
        expect(error).toBe(0);
        return statSync(filename).blocks * 512;
      };
      expect(await space(Flag.noHole)).toBeGreaterThanOrEqual(length);
      expect(await space(0)).toBeLessThan(length);
      await client.disconnect();
    }));

  test('EXP-8: a trim succeeds and does nothing where the node has discard off', async () => {
    const filename = image(SIZE, Buffer.from('kept'));
    const node = await diskNode(filename, { discard: 'ignore' });
    const server = await listen();
    await server.addExport({ id: freshName('export'), 'node-name': node, writable: true });
    const client = await NbdClient.ready(server.address, node);
    const before = readFileSync(filename);
    for (const flags of [0, Flag.fua]) {
      const fields = { command: Command.trim, flags, offset: BLOCK, length: 16 * BLOCK };
      expect((await client.request(fields)).error).toBe(0);
    }
    expect(readFileSync(filename).equals(before)).toBe(true);
    await client.disconnect();
    await server.close();
    await blockdevDel(node);
  });

  test('nbd: reads of nothing succeed, in any style', () =>
    withDisk(async ({ server, name }) => {
      for (const style of STYLES) {
        const client = await NbdClient.ready(server.address, name, style);
        const answer = await client.request({ command: Command.read, offset: 512, length: 0 });
        expect([answer.error, answer.data.length]).toEqual([0, 0]);
        await client.disconnect();
      }
    }));

  test('nbd: DF gives one chunk of data', () =>
    withDisk(async ({ server, name }) => {
      const client = await NbdClient.ready(server.address, name, { structured: true });
      const fields = { command: Command.read, flags: Flag.df, length: SIZE };
      const { chunks } = await client.request(fields);
      expect(chunks.map(({ type, flags }) => [type, flags])).toEqual([[1, 1]]);
      await client.disconnect();
    }));

  test('nbd: DISC is not answered: what is in flight is, and then the connection ends', () =>
    withDisk(async ({ server, name }) => {
      const client = await NbdClient.ready(server.address, name);
      const cookies = [1, 2, 3, 4].map((at) =>
        client.sendRequest({ command: Command.read, offset: at * BLOCK, length: BLOCK }),
      );
      client.sendRequest({ command: Command.disconnect });
      const answered = new Set<bigint>();
      for (const _ of cookies) answered.add((await client.answer()).cookie);
      expect(answered).toEqual(new Set(cookies));
      await expect(client.bytes(1)).rejects.toThrow();
    }));

  test('nbd: who ends its side between two requests gets its answers, too', () =>
    withDisk(async ({ server, name }) => {
      const client = await NbdClient.ready(server.address, name);
      const cookie = client.sendRequest({ command: Command.read, length: BLOCK });
      client.socket.end();
      expect((await client.answer()).cookie).toBe(cookie);
      await client.ended();
      await until(() => server.connections === 0);
    }));

  test('nbd: bad magic ends the connection, and nobody else is disturbed', () =>
    withDisk(async ({ server, name }) => {
      const good = await NbdClient.ready(server.address, name);
      const bad = await NbdClient.ready(server.address, name);
      bad.send(Buffer.alloc(28, 0x77));
      await bad.ended();
      expect((await good.request({ command: Command.read, length: 8 })).error).toBe(0);
      await good.disconnect();
    }));

  test('nbd: a client that does not read is bounded, and others are served', () =>
    withDisk(async ({ server, name }) => {
      const lazy = await NbdClient.ready(server.address, name);
      lazy.socket.pause();
      for (let count = 0; count < 500; count += 1) {
        lazy.sendRequest({ command: Command.read, length: SIZE });
      }
      const good = await NbdClient.ready(server.address, name);
      const before = process.memoryUsage().rss;
      for (let count = 0; count < 200; count += 1) {
        expect((await good.request({ command: Command.read, length: BLOCK })).error).toBe(0);
      }
      // 32 MiB at most, and not 500.
      expect(process.memoryUsage().rss - before).toBeLessThan(128 << 20);
      await good.disconnect();
      lazy.destroy();
      await until(() => server.connections === 0);
    }));
});

describe('nbd: block status', () => {
  const HOLE_AND_ZERO = 3;

  test('EXP-13: base:allocation says what is a hole, all of it or, with REQ_ONE, the first extent', () =>
    withDisk(async ({ server, name }) => {
      for (const style of [{ structured: true }, { extended: true }]) {
        const client = await NbdClient.ready(server.address, name, {
          ...style,
          contexts: ['base:allocation'],
        });
        const flags = client.extended ? Flag.payloadLength : 0;
        const data = Buffer.alloc(16 * BLOCK, 1);
        await client.request({ command: Command.write, flags, offset: 16 * BLOCK, data });
        const all = await client.request({ command: Command.blockStatus, length: SIZE });
        expect([...client.extents(all).values()]).toEqual([
          [
            { length: 16 * BLOCK, state: HOLE_AND_ZERO },
            { length: 16 * BLOCK, state: 0 },
            { length: SIZE - 32 * BLOCK, state: HOLE_AND_ZERO },
          ],
        ]);
        const one = await client.request({
          command: Command.blockStatus,
          flags: Flag.reqOne,
          offset: 24 * BLOCK,
          length: SIZE - 24 * BLOCK,
        });
        expect([...client.extents(one).values()]).toEqual([[{ length: 8 * BLOCK, state: 0 }]]);
        await client.disconnect();
      }
    }));

  test('EXP-13: allocation-depth and dirty bitmaps are contexts of their own, where they are offered', async () => {
    const node = await diskNode(image(SIZE));
    const server = await listen();
    blockDirtyBitmapAdd({ node, name: 'b0', granularity: 65536 });
    const name = freshName();
    await server.addExport({
      id: freshName('export'),
      'node-name': node,
      name,
      writable: true,
      'allocation-depth': true,
      bitmaps: ['b0'],
    });
    const client = await NbdClient.greeted(server.address);
    await client.agree(8);
    client.structured = true;
    const listed = await client.option(9, client.contextData(name, []));
    expect(listed.slice(0, -1).map(({ data }) => data.subarray(4).toString())).toEqual([
      'base:allocation',
      'qemu:allocation-depth',
      'qemu:dirty-bitmap:b0',
    ]);
    const ids = await client.setContexts(name, [
      'qemu:dirty-bitmap:b0',
      'qemu:allocation-depth',
      'qemu:dirty-bitmap:other',
      'nonsense',
    ]);
    expect([...ids.keys()]).toEqual(['qemu:dirty-bitmap:b0', 'qemu:allocation-depth']);
    await client.go(name);
    await client.request({ command: Command.write, offset: 65536, data: Buffer.alloc(512, 1) });
    const answer = await client.request({ command: Command.blockStatus, length: SIZE });
    const extents = client.extents(answer);
    expect(extents.get(ids.get('qemu:dirty-bitmap:b0') as number)).toEqual([
      { length: 65536, state: 0 },
      { length: 65536, state: 1 },
      { length: SIZE - 131072, state: 0 },
    ]);
    expect(extents.get(ids.get('qemu:allocation-depth') as number)).toEqual([
      { length: SIZE, state: 1 },
    ]);
    await client.disconnect();
    await server.close();
    await blockdevDel(node);
  });

  test('nbd: contexts belong to the export that they were chosen for', () =>
    withDisk(async ({ server, name, node }) => {
      const other = freshName();
      await server.addExport({ id: freshName('export'), 'node-name': node, name: other });
      const client = await NbdClient.greeted(server.address);
      await client.agree(8);
      client.structured = true;
      await client.setContexts(name, ['base:allocation']);
      await client.go(other);
      const { error } = await client.request({ command: Command.blockStatus, length: BLOCK });
      expect(error).toBe(WireError.EINVAL);
      await client.disconnect();
    }));

  test('nbd: extended requests may be longer than 32 bits', () =>
    withDisk(async ({ server, name }) => {
      const client = await NbdClient.ready(server.address, name, { extended: true });
      const length = 2n ** 33n;
      const { error } = await client.request({ command: Command.writeZeroes, length });
      expect(error).toBe(WireError.ENOSPC);
      client.send(numbers([32, 0x25609513])); // a short header's magic
      client.send(Buffer.alloc(28));
      await client.ended();
    }));
});
