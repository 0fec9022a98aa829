// Clients that go in the middle of whatever they say, or are told.
import { readFileSync } from 'node:fs';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { Command, Flag, NbdClient, numbers, Option, text } from '../support/nbd-client.js';
import { DISK, type Survivor, survives } from '../support/nbd-survival.js';
import { turn } from '../support/waiting.js';

const OPTION_MAGIC = 0x49484156454f5054n;
const STYLES = ['simple', 'structured', 'extended'] as const;
type Style = (typeof STYLES)[number];
const LENGTH = 100;
const AT_ONCE = 20;

/** How a client goes: with a word to the kernel, or without. */
type Manner = 'ends' | 'vanishes';

function option(id: number, data = Buffer.alloc(0)): Buffer {
  return Buffer.concat([numbers([64, OPTION_MAGIC], [32, id], [32, data.length]), data]);
}

function request(style: Style, command: number, data = Buffer.alloc(0)): Buffer {
  const extended = style === 'extended';
  const flags = extended && data.length > 0 ? Flag.payloadLength : 0;
  return Buffer.concat([
    numbers([32, extended ? 0x21e41c71 : 0x25609513], [16, flags], [16, command]),
    numbers([64, 7], [64, 0], [extended ? 64 : 32, LENGTH]),
    data,
  ]);
}

/** All that a client says in its life, and where its write is whole. */
function lifeOf(style: Style, name: string): { said: Buffer; written: number } {
  const agreed = { simple: [], structured: [8], extended: [11] }[style];
  const contexts = Buffer.concat([text(name), numbers([32, 1]), text('base:allocation')]);
  const parts = [
    numbers([32, 3]),
    ...agreed.map((id) => option(id)),
    option(Option.setMetaContext, contexts),
    option(Option.go, Buffer.concat([text(name), numbers([16, 0])])),
    request(style, Command.write, Buffer.alloc(LENGTH, 0xda)),
  ];
  const written = Buffer.concat(parts).length;
  const rest = [Command.read, Command.blockStatus, Command.disconnect];
  const said = Buffer.concat([...parts, ...rest.map((command) => request(style, command))]);
  return { said, written };
}

async function hangUp({ server }: Survivor, said: Buffer, manner: Manner): Promise<void> {
  const client = await NbdClient.connect(server.address);
  client.send(said);
  if (manner === 'ends') {
    client.socket.end();
    await client.ended();
  } else {
    await turn();
    client.destroy();
  }
}

/** A client for each length from `from` to `to`, some of them at a time. */
async function hangUpBetween(
  survivor: Survivor,
  { said, from, to }: { said: Buffer; from: number; to: number },
  manner: Manner,
): Promise<void> {
  for (let first = from; first < to; first += AT_ONCE) {
    const lengths = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, at) => first + at);
    await Promise.all(lengths.map((bytes) => hangUp(survivor, said.subarray(0, bytes), manner)));
  }
}

describe('nbd: hang-ups', () => {
  onEveryEngineAndHome((context) => {
    test.each(STYLES)(
      'nbd: a client that goes after any byte of its life harms nobody, and half a write is none (%s)',
      async (style) => {
        for (const manner of ['ends', 'vanishes'] as const) {
          await survives(
            async (survivor) => {
              const { said, written } = lifeOf(style, survivor.item.name);
              const start = (): Buffer => readFileSync(survivor.filename).subarray(0, LENGTH);
              await hangUpBetween(survivor, { said, from: 0, to: written }, manner);
              expect(start().equals(Buffer.alloc(LENGTH))).toBe(true);
              const rest = { said, from: written, to: said.length + 1 };
              await hangUpBetween(survivor, rest, manner);
              if (manner === 'ends') expect(start().equals(Buffer.alloc(LENGTH, 0xda))).toBe(true);
            },
            { context: context(), settings: { maxConnections: 0 } },
          );
        }
      },
    );

    test('nbd: a client that goes in the middle of an answer harms nobody', () =>
      survives(
        async ({ server, item }) => {
          for (const bytes of [0, 1, 15, 16, 17, 4096, 100_000, DISK, DISK + 16]) {
            const client = await NbdClient.ready(server.address, item.name);
            client.socket.pause();
            for (let sent = 0; sent < 4; sent += 1) {
              client.sendRequest({ command: Command.read, length: DISK });
            }
            client.socket.resume();
            await client.bytes(bytes);
            client.destroy();
          }
        },
        { context: context() },
      ));

    test('nbd: clients that go while a drained section holds them back harm nobody', () =>
      survives(
        async ({ server, item }) => {
          for (let count = 0; count < 10; count += 1) {
            const clients = await Promise.all(
              Array.from({ length: 5 }, () => NbdClient.ready(server.address, item.name)),
            );
            const section = await item.backend.drained();
            for (const client of clients) {
              client.sendRequest({ command: Command.read, length: DISK });
            }
            await turn();
            for (const client of clients) client.destroy();
            await turn();
            section.end();
          }
        },
        { context: context() },
      ));
  });
});
