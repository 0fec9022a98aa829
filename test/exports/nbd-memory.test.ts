// Clients that are slow on purpose: what they can make a server take is bounded, and given back.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { NbdServer } from '../../lib/index.js';
import { image } from '../support/images.js';
import { instrumented } from '../support/leaks.js';
import { socketPath } from '../support/nbd.js';
import { Command, NbdClient, numbers, Option } from '../support/nbd-client.js';
import { turn } from '../support/waiting.js';

type NbdAddress = NbdServer['address'];

const MIB = 1 << 20;
const DISK = 4 * MIB;
const CLIENTS = 6;
/** What a client can have in flight, with the buffers that are kept and those that receive. */
const MOST_EACH = 48 * MIB;
/** Rounds until everything is as large as it gets. */
const WARM_UP = 4;
const ROUNDS = 8;
const MOST_GROWTH = 16 * MIB;
/** What is freed goes back to the kernel, so that what is measured is in use. */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '65536' };

interface Usage {
  readonly rss: number;
  readonly connections: number;
  readonly inFlight: number;
}

async function usage(child: ChildProcess): Promise<Usage> {
  child.send('usage');
  const [message] = (await once(child, 'message')) as [Usage];
  return message;
}

/** What the server uses when nobody is connected. */
async function settled(child: ChildProcess): Promise<Usage> {
  for (;;) {
    const now = await usage(child);
    if (now.connections === 0 && now.inFlight === 0) return now;
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await turn();
}

/** Asks for far more than it reads. */
async function slowReader(address: NbdAddress): Promise<NbdClient> {
  const client = await NbdClient.ready(address, 'disk');
  client.socket.pause();
  for (let count = 0; count < 300; count += 1) {
    client.sendRequest({ command: Command.read, length: MIB });
  }
  return client;
}

/** Announces large writes, and sends a part of the last. */
async function slowWriter(address: NbdAddress): Promise<NbdClient> {
  const client = await NbdClient.ready(address, 'disk');
  const data = Buffer.alloc(DISK, 1);
  client.sendRequest({ command: Command.write, data });
  client.send(
    numbers([32, 0x25609513], [16, 0], [16, Command.write], [64, 1], [64, 0], [32, 32 * MIB]),
  );
  for (let part = 0; part < 8; part += 1) {
    client.send(data.subarray(0, MIB));
    await turn();
  }
  return client;
}

/** Asks for lists without end, and reads none. */
async function greedyNegotiator(address: NbdAddress): Promise<NbdClient> {
  const client = await NbdClient.greeted(address);
  client.socket.pause();
  for (let count = 0; count < 2000; count += 1) client.sendOption(Option.list);
  // And one whose data never ends.
  client.send(numbers([64, 0x49484156454f5054n], [32, Option.info], [32, 60_000]));
  return client;
}

/** One of each for every client; gives what the server used while they were there. */
async function round(child: ChildProcess, address: NbdAddress): Promise<Usage> {
  const kinds = [slowReader, slowWriter, greedyNegotiator];
  const clients = await Promise.all(
    kinds.flatMap((kind) => Array.from({ length: CLIENTS }, () => kind(address))),
  );
  await turns(20);
  const most = await usage(child);
  for (const client of clients) client.destroy();
  return most;
}

async function withServer(
  home: string,
  body: (child: ChildProcess, address: NbdAddress) => Promise<void>,
): Promise<void> {
  const path = socketPath();
  const program = join(__dirname, 'nbd-memory-child.cjs');
  const child = fork(program, [image(DISK), path, home], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, ...ALLOCATOR },
  });
  const ended = once(child, 'close');
  try {
    await once(child, 'message');
    await body(child, { type: 'unix', path });
  } finally {
    child.kill();
    await ended;
  }
}

// A sanitizer's memory is not the server's.
const describePlain = instrumented === '' ? describe : describe.skip;

describePlain.each(['node', 'iothread'])('nbd: memory, in a home of kind %s', (home) => {
  test(
    'nbd: slow readers, slow writers and whoever reads no answers take what is bounded, and leave nothing',
    () =>
      withServer(home, async (child, address) => {
        const used: number[] = []; // when they were gone
        for (let count = 0; count < WARM_UP + ROUNDS; count += 1) {
          const most = await round(child, address);
          used.push((await settled(child)).rss);
          expect(most.rss - (used[0] ?? 0)).toBeLessThan(2 * CLIENTS * MOST_EACH);
        }
        const growth = Math.min(...used.slice(WARM_UP + 1)) - Math.max(...used.slice(0, WARM_UP));
        expect(growth).toBeLessThan(MOST_GROWTH);
        const next = await NbdClient.ready(address, 'disk');
        expect((await next.request({ command: Command.read, length: 512 })).error).toBe(0);
        await next.disconnect();
      }),
    120_000,
  );

  test(
    'nbd: a slow reader for whom more and more comes in makes the server take no more',
    () =>
      withServer(home, async (child, address) => {
        const clients = await Promise.all(Array.from({ length: 3 }, () => slowReader(address)));
        const feed = async (rounds: number): Promise<Usage> => {
          for (let count = 0; count < rounds; count += 1) {
            for (const client of clients) {
              for (let sent = 0; sent < 100; sent += 1) {
                client.sendRequest({ command: Command.read, length: MIB });
              }
              client.socket.resume();
              await turn();
              client.socket.pause();
            }
          }
          return usage(child);
        };
        const before = await feed(15); // by then everything is as large as it gets
        const after = await feed(20);
        for (const client of clients) client.destroy();
        expect(after.rss - before.rss).toBeLessThan(MOST_GROWTH);
        expect(after.inFlight).toBeLessThanOrEqual(3 * 16);
      }),
    120_000,
  );
});
