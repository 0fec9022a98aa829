import { readFileSync, writeFileSync } from 'node:fs';
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockEvents,
  blockResize,
  drainedAll,
  graphDump,
  lookupNode,
  NbdExport,
  NbdServer,
  RunState,
  setRunState,
} from '../../lib/index.js';
import { image } from '../support/images.js';
import { client, diskNode, freshName, listen, served, socketPath } from '../support/nbd.js';
import { Command, NbdClient, WireError } from '../support/nbd-client.js';
import { codeOf } from '../support/requests.js';
import { describeWith } from '../support/tools.js';
import { isSettled, turn, until } from '../support/waiting.js';

const SIZE = 1 << 20;
const BLOCK = 4096;

async function withServer(body: (server: NbdServer, node: string) => Promise<void>): Promise<void> {
  const node = await diskNode(image(SIZE));
  const server = await listen();
  try {
    await body(server, node);
  } finally {
    await server.close();
    await blockdevDel(node);
  }
}

describe('nbd: exports', () => {
  test('EXP-1: the id is well-formed and unique, the node exists and is writable if the export is', () =>
    withServer(async (server, node) => {
      const add = (options: object): Promise<string> =>
        codeOf(server.addExport({ id: 'e1', 'node-name': node, ...options }));
      expect(await add({ id: '' })).toBe('EINVAL');
      expect(await add({ id: '1st' })).toBe('EINVAL');
      expect(await add({ id: 'a b' })).toBe('EINVAL');
      expect(await add({ 'node-name': 'nobody' })).toBe('ENOENT');
      const readOnly = await diskNode(image(SIZE), { 'read-only': true });
      expect(await add({ 'node-name': readOnly, writable: true })).toBe('EPERM');
      expect(await add({})).toBe('none');
      expect(await add({ name: 'other' })).toBe('EEXIST');
      const again = { id: 'e2', 'node-name': readOnly, name: 'third' };
      expect(await add(again)).toBe('none');
      expect(NbdExport.all().map(({ id }) => id)).toEqual(['e1', 'e2']);
      await NbdExport.byId('e2')?.remove();
      await blockdevDel(readOnly);
    }));

  test.each([
    ['where the node is', undefined],
    ['on an IOThread', 'incoming'],
  ])(
    'INACT-14: an export that is made while a machine comes in activates its node first, %s',
    async (_, iothread) => {
      await using _thread = new AioContext({ home: 'iothread', name: 'incoming' });
      const machine = new RunState('inmigrate');
      setRunState(machine);
      try {
        await withServer(async (server, node) => {
          expect(lookupNode(node, node).inactive).toBe(true);
          const item = await server.addExport({
            id: 'e1',
            'node-name': node,
            writable: true,
            iothread,
          });
          expect(lookupNode(node, node).inactive).toBe(false);
          const wire = await NbdClient.ready(server.address, node);
          const data = Buffer.alloc(BLOCK, 0x5a);
          expect(await wire.request({ command: Command.write, data })).toMatchObject({ error: 0 });
          machine.set('running');
          const answer = await wire.request({ command: Command.read, length: BLOCK });
          expect(answer).toMatchObject({ error: 0, data });
          await wire.disconnect();
          await item.remove();
        });
      } finally {
        setRunState(new RunState());
      }
    },
  );

  test('EXP-2: it reads and, if writable, writes; others may do all but resize; it has no name', () =>
    withServer(async (server, node) => {
      const grants = async (writable: boolean, writethrough: boolean) => {
        const item = await server.addExport({
          id: 'e1',
          'node-name': node,
          writable,
          writethrough,
        });
        const { permissions, shared, name, allowContextChange, writeCache } = item.backend;
        await item.remove();
        return { permissions, shared, name, allowContextChange, writeCache };
      };
      const shared = ['consistent-read', 'write', 'write-unchanged'];
      expect(await grants(false, false)).toEqual({
        permissions: ['consistent-read'],
        shared,
        name: '',
        allowContextChange: true,
        writeCache: true,
      });
      expect(await grants(true, true)).toEqual({
        permissions: ['consistent-read', 'write'],
        shared,
        name: '',
        allowContextChange: true,
        writeCache: false,
      });
    }));

  test('EXP-3: the node moves into the iothread; a refusal counts only with fixed-iothread', () =>
    withServer(async (server, node) => {
      await using thread = new AioContext({ name: 'exp3' });
      await using other = new AioContext();
      const item = await server.addExport({ id: 'e1', 'node-name': node, iothread: 'exp3' });
      expect(item.backend.context).toBe(thread);
      const wire = await NbdClient.ready(server.address, node);
      expect((await wire.request({ command: Command.read, length: BLOCK })).error).toBe(0);
      await wire.disconnect();
      await until(() => item.clients === 0);
      await item.remove();
      const pinned = await BlockBackend.open(node, { context: thread });
      const options = { id: 'e2', 'node-name': node, iothread: other };
      expect(await codeOf(server.addExport({ ...options, 'fixed-iothread': true }))).toBe('EPERM');
      const stays = await server.addExport(options);
      expect(stays.backend.context).toBe(thread);
      expect(await codeOf(server.addExport({ ...options, id: 'e3', iothread: 'nobody' }))).toBe(
        'ENOENT',
      );
      await stays.remove();
      await pinned.setContext(AioContext.main);
      await pinned.close();
    }));

  test('EXP-4: removal is refused in safe mode while clients are there; in hard mode they go', () =>
    withServer(async (server, node) => {
      const events: string[] = [];
      const listener = ({ id }: { readonly id: string }): void => {
        events.push(id);
      };
      blockEvents.on('BLOCK_EXPORT_DELETED', listener);
      const item = await server.addExport({ id: 'e1', 'node-name': node });
      const wire = await NbdClient.ready(server.address, node);
      expect(item.clients).toBe(1);
      expect(await codeOf(item.remove())).toBe('EBUSY');
      expect((await wire.request({ command: Command.read, length: BLOCK })).error).toBe(0);
      expect(events).toEqual([]);
      expect(await codeOf(blockdevDel(node))).toBe('EBUSY');
      const removed = item.remove('hard');
      await wire.ended();
      await removed;
      expect(events).toEqual(['e1']);
      const again = await server.addExport({ id: 'e1', 'node-name': node });
      await again.remove('safe');
      expect(events).toEqual(['e1', 'e1']);
      blockEvents.off('BLOCK_EXPORT_DELETED', listener);
    }));

  test('EXP-5: a name belongs to one export of a server, which must be open; an address to one server', () =>
    withServer(async (server, node) => {
      await server.addExport({ id: 'e1', 'node-name': node, name: 'x' });
      const twice = { id: 'e2', 'node-name': node, name: 'x' };
      expect(await codeOf(server.addExport(twice))).toBe('EEXIST');
      expect(await codeOf(NbdServer.listen(server.address))).toBe('EADDRINUSE');
      const second = await listen();
      await second.addExport(twice);
      await second.close();
      expect(await codeOf(second.addExport({ ...twice, id: 'e3' }))).toBe('EINVAL');
      expect(NbdExport.all()).toHaveLength(1);
      expect(graphDump().nodes.some(({ name }) => name === node)).toBe(true);
    }));

  test('EXP-6: read-only exports cannot trim or write zeroes; both can the rest', () =>
    withServer(async (server, node) => {
      const flagsOf = async (writable: boolean, structured: boolean): Promise<string> => {
        const item = await server.addExport({ id: 'e1', 'node-name': node, writable });
        const wire = await NbdClient.ready(server.address, node, { structured });
        const flags = wire.transmissionFlags.toString(16);
        await wire.disconnect();
        await item.remove('hard');
        return flags;
      };
      expect(await flagsOf(false, true)).toBe('58f');
      expect(await flagsOf(true, true)).toBe('ded');
      expect(await flagsOf(true, false)).toBe('d6d');
      const single = await listen({ maxConnections: 1 });
      await single.addExport({ id: 'e1', 'node-name': node });
      const wire = await NbdClient.ready(single.address, node, { structured: true });
      expect(wire.transmissionFlags.toString(16)).toBe('48f');
      wire.destroy();
      await single.close();
    }));

  test('EXP-7: the size is rounded up to 512; a guessed image has blocks of 512', async () => {
    const filename = image(BLOCK + 1);
    await served(filename, async ({ server, item }) => {
      const wire = await NbdClient.greeted(server.address);
      const replies = await wire.go(item.name, [3]);
      expect(wire.size).toBe(BigInt(BLOCK + 512));
      expect(replies[0]?.data.readUInt32BE(2)).toBe(1);
      await wire.disconnect();
    });
    process.once('warning', () => {});
    const guessed = await BlockBackend.open({ filename: image(SIZE), 'node-name': 'guessed' });
    const server = await listen();
    await server.addExport({ id: 'e1', 'node-name': 'guessed', writable: true });
    const wire = await NbdClient.greeted(server.address);
    expect((await wire.go('guessed', [3]))[0]?.data.readUInt32BE(2)).toBe(512);
    await wire.disconnect();
    const careless = await NbdClient.greeted(server.address);
    const [refused] = await careless.option(6, careless.infoData('guessed'));
    expect(refused?.type).toBe(2 ** 31 + 8);
    expect((await careless.go('guessed'))[0]?.data.readUInt32BE(2)).toBe(1);
    careless.destroy();
    await server.close();
    await guessed.close();
  });

  test('EXP-9: writes, trims and zero-writes to a read-only export are EPERM', () =>
    withServer(async (server, node) => {
      await server.addExport({ id: 'e1', 'node-name': node });
      const wire = await NbdClient.ready(server.address, node);
      for (const command of [Command.write, Command.trim, Command.writeZeroes]) {
        const data = command === Command.write ? Buffer.alloc(BLOCK) : undefined;
        const fields = { command, length: BLOCK, ...(data === undefined ? {} : { data }) };
        expect((await wire.request(fields)).error).toBe(WireError.EPERM);
      }
      expect((await wire.request({ command: Command.read, length: BLOCK })).error).toBe(0);
      await wire.disconnect();
    }));

  test('EXP-11: nobody resizes a node under an export', () =>
    withServer(async (server, node) => {
      const item = await server.addExport({ id: 'e1', 'node-name': node, writable: true });
      expect(await codeOf(blockResize({ 'node-name': node, size: 2 * SIZE }))).toBe('EPERM');
      await item.remove();
      expect(await codeOf(blockResize({ 'node-name': node, size: 2 * SIZE }))).toBe('none');
      const resizing = await BlockBackend.open(node, { resize: true });
      expect(await codeOf(server.addExport({ id: 'e1', 'node-name': node }))).toBe('EPERM');
      await resizing.close();
    }));

  test('EXP-12: close() waits for the clients to be gone, with all that they have in flight', async () => {
    const node = freshName();
    await blockdevAdd({
      driver: 'null-co',
      'node-name': node,
      size: SIZE,
      'latency-ns': 200_000_000,
      'read-zeroes': true,
    });
    const server = await listen();
    const item = await server.addExport({ id: 'e1', 'node-name': node });
    const wire = await NbdClient.ready(server.address, node);
    const chooses = await NbdClient.greeted(server.address);
    wire.sendRequest({ command: Command.read, length: BLOCK });
    await until(() => item.backend.inFlight === 1);
    const closed = server.close();
    expect(await isSettled(closed)).toBe(false);
    await Promise.all([wire.ended(), chooses.ended(), closed]);
    expect(item.clients).toBe(0);
    expect(NbdExport.all()).toEqual([]);
    await blockdevDel(node);
  });

  test('nbd: a driver that leaves memory as it is shows nothing of what other clients sent', async () => {
    const node = freshName();
    await blockdevAdd({ driver: 'null-co', 'node-name': node, size: SIZE });
    const server = await listen();
    await server.addExport({ id: 'e1', 'node-name': node, writable: true });
    const secret = await NbdClient.ready(server.address, node);
    const data = Buffer.alloc(BLOCK, 0xaa);
    for (let count = 0; count < 16; count += 1) {
      secret.sendRequest({ command: Command.write, data });
    }
    for (let count = 0; count < 16; count += 1) await secret.answer();
    await secret.disconnect();
    await until(() => server.connections === 0);
    const curious = await NbdClient.ready(server.address, node);
    for (let count = 0; count < 16; count += 1) {
      curious.sendRequest({ command: Command.read, length: BLOCK });
    }
    for (let count = 0; count < 16; count += 1) {
      expect((await curious.answer()).data).toEqual(Buffer.alloc(BLOCK));
    }
    await curious.disconnect();
    await server.close();
    await blockdevDel(node);
  });

  test('EXP-12: the end of all backends removes the exports first, clients and all', async () => {
    const node = freshName();
    await blockdevAdd({ driver: 'null-co', 'node-name': node, size: SIZE });
    const server = await listen();
    await server.addExport({ id: 'e1', 'node-name': node });
    const wire = await NbdClient.ready(server.address, node);
    await BlockBackend.closeAll();
    await wire.ended();
    expect([NbdExport.all(), server.exports]).toEqual([[], []]);
    await expect(server.addExport({ id: 'e1', 'node-name': node })).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await server.close();
  });

  test('nbd: the requests of clients are accounted in the export', () =>
    withServer(async (server, node) => {
      const item = await server.addExport({ id: 'e1', 'node-name': node, writable: true });
      const wire = await NbdClient.ready(server.address, node);
      await wire.request({ command: Command.read, length: BLOCK });
      await wire.request({ command: Command.write, data: Buffer.alloc(512) });
      await wire.request({ command: Command.flush });
      const { rd_bytes, wr_bytes, flush_operations } = item.backend.stats;
      expect([rd_bytes, wr_bytes, flush_operations]).toEqual([BLOCK, 512, 1]);
      await wire.disconnect();
    }));

  test('nbd: the limits of an export hold its requests back, until they are lifted', () =>
    withServer(async (server, node) => {
      const item = await server.addExport({ id: 'e1', 'node-name': node });
      item.backend.ioLimitsEnable('exports');
      item.backend.setIoLimits({ 'iops-total': 1 });
      const wire = await NbdClient.ready(server.address, node);
      for (let count = 0; count < 10; count += 1) {
        wire.sendRequest({ command: Command.read, length: BLOCK });
      }
      await until(() => item.backend.throttleInfo().read.waiting > 0);
      await item.backend.ioLimitsDisable();
      for (let count = 0; count < 10; count += 1) expect((await wire.answer()).error).toBe(0);
      await wire.disconnect();
    }));

  test('nbd: a stale socket is replaced, and anything else is left alone', async () => {
    const path = socketPath();
    writeFileSync(path, 'precious');
    expect(await codeOf(NbdServer.listen({ type: 'unix', path }))).toBe('EADDRINUSE');
    expect(readFileSync(path, 'utf8')).toBe('precious');
    const long = 'x'.repeat(200);
    expect(await codeOf(NbdServer.listen({ type: 'unix', path: long }))).toBe('ENAMETOOLONG');
  });

  test('nbd: TCP, on a port that is found', async () => {
    const node = await diskNode(image(SIZE));
    await using server = await NbdServer.listen({ type: 'inet', host: 'localhost', port: 0 });
    await server.addExport({ id: 'e1', 'node-name': node });
    expect(server.uri(node)).toMatch(/^nbd:\/\/localhost:\d+\/disk\d+$/);
    const wire = await NbdClient.ready(server.address, node);
    expect((await wire.request({ command: Command.read, length: BLOCK })).error).toBe(0);
    await wire.disconnect();
    await server.close();
    await blockdevDel(node);
  });

  test('nbd: no more clients than allowed are accepted; the next one waits until one goes', () =>
    served(
      image(SIZE),
      async ({ server, item }) => {
        const first = await NbdClient.ready(server.address, item.name);
        const second = await NbdClient.connect(server.address);
        for (let turns = 0; turns < 20; turns += 1) await turn();
        expect(server.connections).toBe(1);
        first.destroy();
        expect((await second.bytes(8)).toString()).toBe('NBDMAGIC');
        second.destroy();
      },
      {},
      { maxConnections: 1 },
    ));
});

describe.each(['node', 'iothread'] as const)(
  'nbd: drained sections, in a home of kind %s',
  (home) => {
    async function withClient(
      body: (wire: NbdClient, item: NbdExport, server: NbdServer) => Promise<void>,
    ): Promise<void> {
      const context = home === 'iothread' ? new AioContext({ name: 'drained' }) : AioContext.main;
      await served(
        image(SIZE),
        async ({ server, item }) => {
          const wire = await NbdClient.ready(server.address, item.name);
          await body(wire, item, server);
          await wire.disconnect();
        },
        home === 'iothread' ? { iothread: context } : {},
      );
      if (home === 'iothread') await context.close();
    }

    test('EXP-10: in a section nothing is read from clients; afterwards the connection goes on', () =>
      withClient(async (wire, item) => {
        const section = await item.backend.drained();
        const cookie = wire.sendRequest({ command: Command.read, length: BLOCK });
        const half = Buffer.alloc(40_000, 7);
        const writing = wire.sendRequest({ command: Command.write, data: half });
        const answer = wire.answer();
        for (let turns = 0; turns < 50; turns += 1) await turn();
        expect(await isSettled(answer)).toBe(false);
        // Not even received: nothing waits in the backend either.
        const { inFlight, parked } = item.backend;
        expect([inFlight, parked]).toEqual([0, 0]);
        section.end();
        expect((await answer).cookie).toBe(cookie);
        expect((await wire.answer()).cookie).toBe(writing);
      }));

    test('EXP-10: sections one after the other, while clients are busy, lose nothing', () =>
      withClient(async (wire, item) => {
        let sent = 0;
        let answered = 0;
        let done = false;
        const load = async (): Promise<void> => {
          while (!done) {
            for (let count = 0; count < 8; count += 1, sent += 1) {
              wire.sendRequest({
                command: Command.write,
                offset: count * BLOCK,
                data: Buffer.alloc(BLOCK),
              });
            }
            for (let count = 0; count < 8; count += 1, answered += 1) {
              expect((await wire.answer()).error).toBe(0);
            }
          }
        };
        const loading = load();
        for (let count = 0; count < 100; count += 1) {
          const section = count % 2 === 0 ? await item.backend.drained() : await drainedAll();
          expect(item.backend.inFlight).toBe(0);
          section.end();
        }
        done = true;
        await loading;
        expect(answered).toBe(sent);
      }));

    test('EXP-10: a client that does not read holds up no section', () =>
      withClient(async (wire, item, server) => {
        const lazy = await NbdClient.ready(server.address, item.name);
        lazy.socket.pause();
        for (let count = 0; count < 100; count += 1) {
          lazy.sendRequest({ command: Command.read, length: SIZE });
        }
        for (let count = 0; count < 20; count += 1) {
          const section = await item.backend.drained();
          section.end();
          expect((await wire.request({ command: Command.read, length: BLOCK })).error).toBe(0);
        }
        lazy.destroy();
      }));

    test('nbd: clients go along when their graph moves, again and again, and lose nothing', () =>
      withClient(async (wire, item) => {
        await using there = new AioContext();
        await using elsewhere = new AioContext({ aio: 'threads' });
        const first = item.backend.context;
        let done = false;
        let answered = 0;
        const load = async (): Promise<void> => {
          for (let round = 0; !done; round += 1) {
            const data = Buffer.alloc(3 * BLOCK, round);
            wire.sendRequest({ command: Command.write, offset: BLOCK, data });
            expect((await wire.answer()).error).toBe(0);
            const back = await wire.request({
              command: Command.read,
              offset: BLOCK,
              length: 3 * BLOCK,
            });
            expect(back.data.equals(data)).toBe(true);
            answered += 1;
          }
        };
        const loading = load();
        for (let count = 0; count < 10; count += 1) {
          const before = answered;
          for (const context of [there, elsewhere, first]) await item.backend.setContext(context);
          await until(() => answered > before);
        }
        done = true;
        await loading;
      }));

    test('EXP-14: clients that go, one after the other, leave the server as it was', () =>
      withClient(async (_, item, server) => {
        for (let count = 0; count < 20; count += 1) {
          const next = await NbdClient.ready(server.address, item.name);
          next.sendRequest({ command: Command.read, length: BLOCK });
          if (count % 2 === 0) await next.disconnect();
          else next.destroy();
        }
        await until(() => item.clients === 1);
      }));
  },
);

describeWith(['qemu-io', 'qemu-img', 'nbdinfo', 'nbdcopy'], 'nbd: genuine clients', () => {
  test('nbd: nbdinfo, qemu-io, nbdcopy and qemu-img find the same disk', async () => {
    const content = Buffer.alloc(SIZE, 'some content of a disk');
    const source = image(SIZE, content);
    const filename = image(SIZE);
    await served(filename, async ({ server, item }) => {
      const uri = server.uri(item.name);
      const info = await client('nbdinfo', '--json', uri);
      expect(info.code).toBe(0);
      expect(JSON.parse(info.stdout).exports[0]).toMatchObject({
        'export-name': item.name,
        'export-size': SIZE,
        is_read_only: false,
        can_multi_conn: true,
        can_fast_zero: true,
      });
      const io = await client(
        'qemu-io',
        ...['-f', 'raw', '-c', 'write -P 7 4k 8k', '-c', 'read -P 7 4k 8k', '-c', 'flush'],
        ...['-c', 'discard 4k 4k', '-c', 'write -z 8k 4k', '-c', 'read -P 0 8k 4k', uri],
      );
      expect([io.code, io.stdout.includes('failed')]).toEqual([0, false]);
      expect((await client('nbdcopy', source, uri)).code).toBe(0);
      expect(readFileSync(filename).equals(content)).toBe(true);
      const compared = await client('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', source, uri);
      expect(compared.stdout).toContain('identical');
      const target = image(SIZE);
      const converted = await client('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri, target);
      expect(converted.code).toBe(0);
      expect(readFileSync(target).equals(content)).toBe(true);
    });
  });
});
