import { readFileSync } from 'node:fs';
import type { NbdServer } from '../../lib/index.js';
import { image } from '../support/images.js';
import { served } from '../support/nbd.js';
import {
  Command,
  Flag,
  NbdClient,
  numbers,
  Option,
  Reply,
  type RequestFields,
  text,
  WireError,
} from '../support/nbd-client.js';
import { DISK, survives } from '../support/nbd-survival.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { turn, until } from '../support/waiting.js';

const SIZE = DISK;
const seed = chooseSeed();

function withDisk(
  body: (server: NbdServer, name: string, filename: string) => Promise<void>,
): Promise<void> {
  return survives(({ server, item, filename }) => body(server, item.name, filename));
}

/** A request as bytes. */
function requestBytes(command: number, length: number, data = Buffer.alloc(0)): Buffer {
  return Buffer.concat([
    numbers([32, 0x25609513], [16, 0], [16, command], [64, 1], [64, 0], [32, length]),
    data,
  ]);
}

describe('nbd: clients that mean harm', () => {
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

  test('nbd: options whose data, names or lists are longer than they can be are refused, or end the connection', () =>
    withDisk(async (server, name) => {
      const tooMuch = Buffer.alloc(64 * 1024 + 1);
      const client = await NbdClient.greeted(server.address);
      for (const option of [...Object.values(Option), 77]) {
        if (option === Option.exportName) continue;
        const [refused] = await client.option(option, tooMuch);
        expect([option, refused?.type]).toEqual([option, Reply.tooBig]);
      }
      await client.agree(Option.structuredReply);
      const most = 2 ** 32 - 1;
      for (const [option, data] of [
        [Option.info, numbers([32, most])],
        [Option.go, Buffer.concat([text(name), numbers([16, 65535])])],
        [Option.listMetaContext, Buffer.concat([text(name), numbers([32, most])])],
        [Option.setMetaContext, Buffer.concat([text(name), numbers([32, 1], [32, most])])],
      ] as const) {
        const replies = await client.option(option, data);
        expect([option, replies.map(({ type }) => type)]).toEqual([option, [Reply.invalid]]);
      }
      expect((await client.go(name)).at(-1)?.type).toBe(Reply.ack);
      await client.disconnect();
      // It has no way to say no.
      const named = await NbdClient.greeted(server.address);
      named.sendOption(Option.exportName, tooMuch);
      await named.ended();
      const announced = await NbdClient.greeted(server.address);
      announced.send(numbers([64, 0x49484156454f5054n], [32, Option.go], [32, most]));
      await announced.ended();
      // Not all at once, either.
      const patient = await NbdClient.greeted(server.address);
      for (let count = 0; count < 600; count += 1) patient.sendOption(Option.list, tooMuch);
      await patient.ended();
    }));

  test.each([{}, { structured: true }, { extended: true }])(
    'nbd: requests for more than there is, or can be, are refused, and the connection goes on (%j)',
    (style) =>
      withDisk(async (server, name) => {
        const client = await NbdClient.ready(server.address, name, {
          ...style,
          ...('structured' in style || 'extended' in style
            ? { contexts: ['base:allocation'] }
            : {}),
        });
        const most = client.extended ? 2n ** 64n - 1n : 2n ** 32n - 1n;
        const last = 2n ** 64n - 1n;
        const wrong: RequestFields[] = [
          Command.read,
          Command.trim,
          Command.cache,
          Command.writeZeroes,
          Command.blockStatus,
        ].flatMap((command) => [
          { command, length: most },
          { command, offset: last, length: most },
          { command, offset: last - 4095n, length: 8192 },
          { command, offset: 2n ** 63n, length: 4096 },
          { command, offset: SIZE, length: 1 },
        ]);
        for (const fields of wrong) {
          const { error } = await client.request(fields);
          expect([WireError.EINVAL, WireError.ENOSPC]).toContain(error);
        }
        const flags = client.extended ? Flag.payloadLength : 0;
        const beyond = { command: Command.write, flags, offset: last, data: Buffer.alloc(512) };
        expect((await client.request(beyond)).error).toBe(WireError.ENOSPC);
        expect((await client.request({ command: Command.read, length: 512 })).error).toBe(0);
        // Longer than any write may be: what comes of it is thrown away.
        client.sendRequest({ command: Command.write, flags, length: most });
        client.send(Buffer.alloc(3 * SIZE, 5));
        await turn();
        client.destroy();
      }),
  );

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
