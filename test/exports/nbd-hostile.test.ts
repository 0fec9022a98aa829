import { readFileSync } from 'node:fs';
import type { NbdServer } from '../../lib/index.js';
import { image } from '../support/images.js';
import { served } from '../support/nbd.js';
import { Command, NbdClient, numbers, Option, text } from '../support/nbd-client.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { turn, until } from '../support/waiting.js';

const SIZE = 1 << 20;
const BLOCK = 4096;
const seed = chooseSeed();

async function withDisk(
  body: (server: NbdServer, name: string, filename: string) => Promise<void>,
  settings = {},
): Promise<void> {
  const filename = image(SIZE);
  await served(
    filename,
    async ({ server, item }) => {
      await body(server, item.name, filename);
      // Whatever happened: the next client is served, and nothing of the others is left.
      const last = await NbdClient.ready(server.address, item.name);
      expect((await last.request({ command: Command.read, length: BLOCK })).error).toBe(0);
      await last.disconnect();
      await until(() => server.connections === 0 && item.clients === 0);
      expect(item.backend.inFlight).toBe(0);
    },
    {},
    settings,
  );
}

/** A request as bytes. */
function requestBytes(command: number, length: number, data = Buffer.alloc(0)): Buffer {
  return Buffer.concat([
    numbers([32, 0x25609513], [16, 0], [16, command], [64, 1], [64, 0], [32, length]),
    data,
  ]);
}

describe('nbd: clients that mean harm', () => {
  test('nbd: 500 connections, most of which say nothing', () =>
    withDisk(
      async (server, name) => {
        const silent = await Promise.all(
          Array.from({ length: 500 }, () => NbdClient.connect(server.address)),
        );
        await until(() => server.connections === 500);
        const client = await NbdClient.ready(server.address, name);
        expect((await client.request({ command: Command.read, length: BLOCK })).error).toBe(0);
        for (const one of silent) one.destroy();
        await client.disconnect();
      },
      { maxConnections: 0 },
    ));

  test(`nbd: random bytes instead of a handshake, of options and of requests (seed ${seed})`, () =>
    withDisk(async (server, name) => {
      const below = randomNumbers(seed);
      const noise = (): Buffer =>
        Buffer.from(Array.from({ length: 1 + below(300) }, () => below(256)));
      const stages: (() => Promise<NbdClient>)[] = [
        () => NbdClient.connect(server.address),
        () => NbdClient.greeted(server.address),
        () => NbdClient.ready(server.address, name),
        () =>
          NbdClient.ready(server.address, name, {
            structured: true,
            contexts: ['base:allocation'],
          }),
        () => NbdClient.ready(server.address, name, { extended: true }),
      ];
      for (let count = 0; count < 200; count += 1) {
        const client = await (stages[count % stages.length] as () => Promise<NbdClient>)();
        client.send(noise());
        client.socket.end();
        await client.ended();
      }
    }));

  test(`nbd: well-formed heads with random fields (seed ${seed})`, () =>
    withDisk(async (server, name) => {
      const below = randomNumbers(seed);
      const number = (): number => (below(2) === 0 ? below(9) : below(2 ** 32));
      for (let count = 0; count < 200; count += 1) {
        const options = await NbdClient.greeted(server.address);
        const data = Buffer.concat([text(below(2) === 0 ? name : 'x'), numbers([32, number()])]);
        options.sendOption(below(12), below(3) === 0 ? data : data.subarray(0, below(20)));
        options.socket.end();
        await options.ended();
        const requests = await NbdClient.ready(server.address, name);
        for (let sent = 0; sent < 5; sent += 1) {
          requests.send(
            numbers([32, 0x25609513], [16, below(64)], [16, below(10)], [64, number()]),
            numbers([64, number()], [32, number()]),
          );
        }
        requests.socket.end();
        await requests.ended();
      }
    }));

  test('nbd: a hang-up after every part of a write, and with requests in flight', () =>
    withDisk(async (server, name, filename) => {
      const before = readFileSync(filename);
      const whole = requestBytes(Command.write, 200_000, Buffer.alloc(200_000, 9));
      for (const at of [1, 4, 27, 28, 29, 5000, 70_000, 199_999]) {
        const client = await NbdClient.ready(server.address, name);
        client.send(whole.subarray(0, at));
        for (let turns = 0; turns < 3; turns += 1) await turn();
        client.destroy();
      }
      for (let count = 0; count < 30; count += 1) {
        const client = await NbdClient.ready(server.address, name);
        for (let sent = 0; sent < count; sent += 1) client.send(requestBytes(Command.read, SIZE));
        if (count % 2 === 0) await turn();
        client.destroy();
      }
      // A write that has not come whole has not happened.
      expect(readFileSync(filename).equals(before)).toBe(true);
    }));

  test('nbd: a client that sends one byte at a time is served like any other', () =>
    withDisk(async (server, name) => {
      const client = await NbdClient.ready(server.address, name);
      client.socket.setNoDelay(true);
      const data = Buffer.alloc(100, 3);
      for (const byte of requestBytes(Command.write, data.length, data)) {
        client.send(Buffer.from([byte]));
        await turn();
      }
      expect((await client.answer()).error).toBe(0);
      const back = await client.request({ command: Command.read, length: 100 });
      expect(back.data.equals(data)).toBe(true);
      await client.disconnect();
    }));

  test('nbd: replies that nobody reads do not keep an export from being removed', async () => {
    await served(image(SIZE), async ({ server, item }) => {
      const lazy = await NbdClient.ready(server.address, item.name);
      lazy.socket.pause();
      for (let count = 0; count < 100; count += 1) lazy.send(requestBytes(Command.read, SIZE));
      const greedy = await NbdClient.greeted(server.address);
      greedy.socket.pause();
      for (let count = 0; count < 3000; count += 1) greedy.sendOption(Option.list);
      await until(() => item.backend.stats.rd_operations > 0);
      await item.remove('hard');
      lazy.destroy();
      greedy.destroy();
    });
  });
});
