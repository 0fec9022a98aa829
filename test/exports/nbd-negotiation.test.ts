import { NbdExport, type NbdServer } from '../../lib/index.js';
import { image } from '../support/images.js';
import { served } from '../support/nbd.js';
import { NbdClient, numbers, Option, Reply, text } from '../support/nbd-client.js';

const SIZE = 1 << 20;

async function withServer(body: (server: NbdServer, name: string) => Promise<void>): Promise<void> {
  await served(image(SIZE), ({ server, item }) => body(server, item.name), {
    description: 'for tests',
  });
}

const EMPTY = Buffer.alloc(0);

describe('nbd: negotiation', () => {
  test('nbd: the greeting says fixed newstyle and no zeroes', () =>
    withServer(async (server) => {
      const client = await NbdClient.connect(server.address);
      const greeting = await client.bytes(18);
      expect(greeting.subarray(0, 16).toString()).toBe('NBDMAGICIHAVEOPT');
      expect(greeting.readUInt16BE(16)).toBe(3);
      client.destroy();
    }));

  test('nbd: LIST gives names and descriptions, and refuses data', () =>
    withServer(async (server, name) => {
      const client = await NbdClient.greeted(server.address);
      expect(await client.option(Option.list)).toEqual([
        { type: Reply.server, data: Buffer.concat([text(name), Buffer.from('for tests')]) },
        { type: Reply.ack, data: EMPTY },
      ]);
      const [refused] = await client.option(Option.list, Buffer.from('x'));
      expect(refused?.type).toBe(Reply.invalid);
      client.destroy();
    }));

  test('nbd: an option that nobody knows, and TLS, are UNSUP, and the stream stays in step', () =>
    withServer(async (server) => {
      const client = await NbdClient.greeted(server.address);
      for (const option of [4, Option.startTls, 77, 2 ** 31]) {
        const [refused] = await client.option(option, Buffer.from('some data'));
        expect(refused?.type).toBe(Reply.unsupported);
      }
      await client.agree(Option.structuredReply);
      client.destroy();
    }));

  test('nbd: EXPORT_NAME begins transmission, with 124 zeroes unless both said no', () =>
    withServer(async (server, name) => {
      for (const [flags, zeroes] of [
        [3, 0],
        [1, 124],
        [0, 124],
      ] as const) {
        const client = await NbdClient.greeted(server.address, flags);
        client.sendOption(Option.exportName, Buffer.from(name));
        const answer = await client.bytes(10 + zeroes);
        expect(answer.readBigUInt64BE()).toBe(BigInt(SIZE));
        expect(answer.readUInt16BE(8)).toBe(0xded & ~0x80);
        expect(answer.subarray(10)).toEqual(Buffer.alloc(zeroes));
        expect((await client.request({ command: 0, length: 512 })).data).toEqual(Buffer.alloc(512));
        await client.disconnect();
      }
    }));

  test('nbd: an unknown name ends the connection with EXPORT_NAME, and is UNKNOWN with GO', () =>
    withServer(async (server, name) => {
      const abrupt = await NbdClient.greeted(server.address);
      abrupt.sendOption(Option.exportName, Buffer.from('nobody'));
      await abrupt.ended();
      const client = await NbdClient.greeted(server.address);
      const [refused] = await client.go('nobody');
      expect(refused?.type).toBe(Reply.unknown);
      // The session is still open.
      expect((await client.go(name)).at(-1)?.type).toBe(Reply.ack);
      await client.disconnect();
    }));

  test('nbd: INFO and GO give size, flags, block sizes, and name and description when asked', () =>
    withServer(async (server, name) => {
      const client = await NbdClient.greeted(server.address);
      const infos = await client.option(Option.info, client.infoData(name, [1, 2, 3]));
      expect(infos).toEqual([
        { type: Reply.info, data: Buffer.concat([numbers([16, 1]), Buffer.from(name)]) },
        { type: Reply.info, data: Buffer.concat([numbers([16, 2]), Buffer.from('for tests')]) },
        { type: Reply.info, data: numbers([16, 3], [32, 1], [32, 4096], [32, 32 << 20]) },
        { type: Reply.info, data: numbers([16, 0], [64, SIZE], [16, 0xded & ~0x80]) },
        { type: Reply.ack, data: EMPTY },
      ]);
      expect(await client.go(name)).toHaveLength(3);
      await client.disconnect();
    }));

  test('nbd: malformed data of options is INVALID, whatever its shape', () =>
    withServer(async (server, name) => {
      const client = await NbdClient.greeted(server.address);
      const wrong: readonly [number, Buffer][] = [
        [Option.info, EMPTY],
        [Option.info, numbers([32, 1000])],
        [Option.go, Buffer.concat([text(name), numbers([16, 5])])],
        [Option.go, Buffer.concat([text(name), numbers([16, 0]), Buffer.from('!')])],
        [Option.structuredReply, Buffer.from('!')],
        [Option.extendedHeaders, Buffer.from('!')],
        [Option.setMetaContext, client.contextData(name, ['base:allocation'])], // not structured
      ];
      for (const [option, data] of wrong) {
        expect((await client.option(option, data)).at(-1)?.type).toBe(Reply.invalid);
      }
      await client.agree(Option.structuredReply);
      const again = await client.option(Option.structuredReply);
      expect(again.at(-1)?.type).toBe(Reply.invalid);
      const cut = client.contextData(name, ['base:allocation']).subarray(0, -3);
      const replies = await client.option(Option.setMetaContext, cut);
      expect(replies.map(({ type }) => type)).toEqual([Reply.invalid]);
      client.destroy();
    }));

  test('nbd: too much data is skipped and refused, and far too much ends the connection', () =>
    withServer(async (server, name) => {
      const client = await NbdClient.greeted(server.address);
      const [refused] = await client.option(Option.go, Buffer.alloc(100_000));
      expect(refused?.type).toBe(Reply.tooBig);
      expect((await client.go(name)).at(-1)?.type).toBe(Reply.ack);
      await client.disconnect();
      const greedy = await NbdClient.greeted(server.address);
      greedy.send(numbers([64, 0x49484156454f5054n], [32, Option.list], [32, 2 ** 32 - 1]));
      await greedy.ended();
    }));

  test('nbd: ABORT is acknowledged and ends the connection; so do unknown flags and bad magic', () =>
    withServer(async (server) => {
      const client = await NbdClient.greeted(server.address);
      expect((await client.option(Option.abort)).at(-1)?.type).toBe(Reply.ack);
      await client.ended();
      const odd = await NbdClient.greeted(server.address, 0x80);
      await odd.ended();
      const wrong = await NbdClient.greeted(server.address);
      wrong.send(Buffer.alloc(16, 0x55));
      await wrong.ended();
      const old = await NbdClient.greeted(server.address, 0);
      old.sendOption(Option.list);
      await old.ended();
    }));

  test('nbd: a client that chooses nothing in time is disconnected', async () => {
    await served(
      image(SIZE),
      async ({ server }) => {
        const silent = await NbdClient.connect(server.address);
        await silent.ended();
        expect(NbdExport.all()).toHaveLength(1);
      },
      {},
      { handshakeMaxSeconds: 1 },
    );
  });

  test('nbd: a hang-up after every byte of the handshake leaves nothing behind', () =>
    withServer(async (server, name) => {
      const whole = Buffer.concat([
        numbers([32, 3]),
        numbers([64, 0x49484156454f5054n], [32, Option.structuredReply], [32, 0]),
        numbers([64, 0x49484156454f5054n], [32, Option.go], [32, name.length + 6]),
        text(name),
        numbers([16, 0]),
        numbers([32, 0x25609513], [16, 0], [16, 1], [64, 1], [64, 0], [32, 4096]),
        Buffer.alloc(4096),
      ]);
      const steps = [...Array(80).keys(), whole.length - 1].filter((at) => at <= whole.length);
      for (const at of steps) {
        const client = await NbdClient.connect(server.address);
        client.send(whole.subarray(0, at));
        await client.bytes(18);
        client.destroy();
      }
      const last = await NbdClient.ready(server.address, name);
      expect((await last.request({ command: 0, length: 16 })).error).toBe(0);
      await last.disconnect();
    }));
});
