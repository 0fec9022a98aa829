// What the block layer sees of the requests of clients, with a driver that can hold them.
import type { OptionInput } from '../../lib/graph/option-bag.js';
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  type NbdExport,
  type NbdServer,
  type Probe,
  probe,
} from '../../lib/index.js';
import { image } from '../support/images.js';
import { freshName, listen } from '../support/nbd.js';
import { Command, Flag, NbdClient, WireError } from '../support/nbd-client.js';
import { codeThrown } from '../support/requests.js';
import { isSettled, turn, until } from '../support/waiting.js';

const CLUSTER = 65536;
const SIZE = 16 * CLUSTER;

interface Given {
  readonly server: NbdServer;
  readonly item: NbdExport;
  readonly wire: NbdClient;
  readonly driver: Probe;
}

describe.each(['node', 'iothread'] as const)('nbd: a probe in a home of kind %s', (home) => {
  async function withProbe(body: (given: Given) => Promise<void>): Promise<void> {
    const thread = home === 'iothread' ? new AioContext({ name: 'probe' }) : undefined;
    const node = freshName();
    await blockdevAdd({ driver: 'x-probe', 'node-name': node, size: SIZE, discard: 'unmap' });
    const server = await listen();
    const where = thread === undefined ? {} : { iothread: thread };
    const options = { id: freshName('export'), 'node-name': node, writable: true, ...where };
    const item = await server.addExport(options);
    const wire = await NbdClient.ready(server.address, node);
    await body({ server, item, wire, driver: probe(node) });
    wire.destroy();
    await server.close();
    await blockdevDel(node);
    await thread?.close();
  }

  test('EXP-8: FUA reaches the driver with writes, zero-writes and trims, and nothing else does', () =>
    withProbe(async ({ wire, driver }) => {
      const flushes = async (fields: Parameters<NbdClient['request']>[0]): Promise<number> => {
        const before = driver.calls('flush');
        expect((await wire.request(fields)).error).toBe(0);
        return driver.calls('flush') - before;
      };
      const data = Buffer.alloc(CLUSTER, 1);
      const whole = { offset: CLUSTER, length: CLUSTER };
      expect(await flushes({ command: Command.write, offset: CLUSTER, data })).toBe(0);
      // The driver has no FUA of its own, so it is a flush.
      const fua = { command: Command.write, flags: Flag.fua, offset: CLUSTER, data };
      expect(await flushes(fua)).toBe(1);
      expect(driver.allocatedClusters).toBe(1);
      const zeroes = { command: Command.writeZeroes, ...whole };
      expect(await flushes({ ...zeroes, flags: Flag.noHole })).toBe(0);
      expect(await flushes({ ...zeroes, flags: Flag.fua })).toBe(1);
      expect(driver.calls('pwriteZeroes')).toBe(2);
      await flushes({ command: Command.write, offset: CLUSTER, data });
      expect(driver.allocatedClusters).toBe(1);
      expect(await flushes({ command: Command.trim, ...whole })).toBe(0);
      expect(driver.allocatedClusters).toBe(0);
      expect(await flushes({ command: Command.trim, flags: Flag.fua, ...whole })).toBe(1);
      expect(driver.calls('pdiscard')).toBe(2);
    }));

  test('EXP-10: what is in flight when a section begins is finished and answered in it', () =>
    withProbe(async ({ item, wire, driver }) => {
      driver.hold('pread', 'tag');
      const first = wire.sendRequest({ command: Command.read, length: 512 });
      await until(() => driver.held('tag') === 1);
      const quiet = item.backend.drained();
      // In order with the begin of the section, which is in the home then.
      await (
        await BlockBackend.open({ driver: 'null-co' }, { context: item.backend.context })
      ).close();
      expect(await isSettled(quiet)).toBe(false);
      const second = wire.sendRequest({ command: Command.flush });
      driver.release('tag');
      expect((await wire.answer()).cookie).toBe(first);
      const section = await quiet;
      for (let turns = 0; turns < 20; turns += 1) await turn();
      expect([driver.calls('flush'), item.backend.parked]).toEqual([0, 0]);
      section.end();
      expect((await wire.answer()).cookie).toBe(second);
    }));

  test('EXP-12: closing waits for a request in flight, although its client has been hung up', () =>
    withProbe(async ({ server, wire, driver }) => {
      driver.hold('pwrite', 'tag');
      wire.sendRequest({ command: Command.write, data: Buffer.alloc(512, 1) });
      await until(() => driver.held('tag') === 1);
      const closed = server.close();
      await wire.ended();
      for (let turns = 0; turns < 20; turns += 1) await turn();
      expect(await isSettled(closed)).toBe(false);
      driver.release('tag');
      await closed;
    }));

  test('nbd: replies come as requests finish; 64 of them are in flight at most', () =>
    withProbe(async ({ server, wire, driver }) => {
      driver.hold('pread', 'tag');
      const held = wire.sendRequest({ command: Command.read, length: 512 });
      const passed = wire.sendRequest({ command: Command.write, data: Buffer.alloc(512) });
      expect((await wire.answer()).cookie).toBe(passed);
      for (let count = 0; count < 100; count += 1) {
        wire.sendRequest({ command: Command.read, length: 512 });
      }
      await until(() => driver.held('tag') === 64);
      for (let turns = 0; turns < 50; turns += 1) await turn();
      expect(driver.held('tag')).toBe(64);
      // Another connection has 64 of its own.
      const other = await NbdClient.ready(server.address, server.exports[0]?.name ?? '');
      const flushed = await other.request({ command: Command.flush });
      expect(flushed.error).toBe(0);
      await other.disconnect();
      driver.release('tag');
      expect((await wire.answer()).cookie).toBe(held);
      for (let count = 0; count < 100; count += 1) await wire.answer();
    }));

  test('nbd: CAN_MULTI_CONN: a flush of one connection covers the writes of another', () =>
    withProbe(async ({ server, item, wire, driver }) => {
      const other = await NbdClient.ready(server.address, item.name);
      expect(other.transmissionFlags & 0x100).toBe(0x100);
      await wire.request({ command: Command.write, data: Buffer.alloc(512, 7) });
      const read = await other.request({ command: Command.read, length: 512 });
      expect(read.data.equals(Buffer.alloc(512, 7))).toBe(true);
      const before = driver.calls('flush');
      expect((await other.request({ command: Command.flush })).error).toBe(0);
      expect(driver.calls('flush')).toBe(before + 1);
      await other.disconnect();
    }));

  test('nbd: clients that wait do not hide that a synchronous request waits for ever', () =>
    withProbe(async ({ item, wire, driver }) => {
      await wire.request({ command: Command.flush });
      driver.hold('pread', 'tag');
      const buffer = Buffer.alloc(512);
      expect(codeThrown(() => item.backend.preadSync(0, buffer))).toBe('EDEADLK');
      driver.release('tag');
      expect((await wire.request({ command: Command.read, length: 512 })).error).toBe(0);
    }));

  test('EXP-9: what the disk cannot do is told by the errors that the protocol has', () =>
    withProbe(async ({ wire, driver }) => {
      for (const [error, code] of [
        ['EIO', WireError.EIO],
        ['ENOSPC', WireError.ENOSPC],
        ['EDQUOT', WireError.ENOSPC],
        ['ENOMEM', WireError.ENOMEM],
        ['EBADF', WireError.EIO],
      ] as const) {
        driver.failNext('pwrite', error, 1);
        const answer = await wire.request({ command: Command.write, data: Buffer.alloc(512) });
        expect([error, answer.error]).toEqual([error, code]);
      }
      expect((await wire.request({ command: Command.read, length: 512 })).error).toBe(0);
    }));
});

describe('nbd: fast zero', () => {
  test('EXP-8: FAST_ZERO fails where zeroes would have to be written out', async () => {
    const node = freshName();
    const file = (): OptionInput => ({ driver: 'file', filename: image(SIZE) });
    await blockdevAdd({ driver: 'blkverify', 'node-name': node, test: file(), raw: file() });
    const server = await listen();
    await server.addExport({ id: freshName('export'), 'node-name': node, writable: true });
    const wire = await NbdClient.ready(server.address, node);
    const zeroes = { command: Command.writeZeroes, length: CLUSTER };
    const refused = await wire.request({ ...zeroes, flags: Flag.fastZero });
    expect(refused.error).toBe(WireError.ENOTSUP);
    expect((await wire.request(zeroes)).error).toBe(0);
    await wire.disconnect();
    await server.close();
    await blockdevDel(node);
  });
});
