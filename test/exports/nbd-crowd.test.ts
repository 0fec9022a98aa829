// Many clients at a time.
import { onEveryEngineAndHome } from '../support/matrix.js';
import { Command, NbdClient } from '../support/nbd-client.js';
import { BLOCK, type Survivor, survives } from '../support/nbd-survival.js';
import { turn, until } from '../support/waiting.js';

const CROWD = 500;

/** One request each, all of them at the same time. */
async function eachReads(clients: readonly NbdClient[]): Promise<void> {
  const cookies = clients.map((client, index) =>
    client.sendRequest({ command: Command.read, offset: (index % 200) * BLOCK, length: BLOCK }),
  );
  const answers = await Promise.all(clients.map((client) => client.answer()));
  expect(answers.map(({ cookie }) => cookie)).toEqual(cookies);
  expect(answers.every(({ error, data }) => error === 0 && data.length === BLOCK)).toBe(true);
}

function join({ server, item }: Survivor, count: number): Promise<NbdClient[]> {
  const all = Array.from({ length: count }, () => NbdClient.ready(server.address, item.name));
  return Promise.all(all);
}

describe('nbd: crowds', () => {
  onEveryEngineAndHome((context) => {
    test('nbd: 500 clients at once are served, and go', () =>
      survives(
        async (survivor) => {
          const clients = await join(survivor, CROWD);
          expect(survivor.item.clients).toBe(CROWD);
          for (let round = 0; round < 3; round += 1) await eachReads(clients);
          const section = await survivor.item.backend.drained();
          section.end();
          await eachReads(clients);
          for (const client of clients) client.destroy();
        },
        { context: context(), settings: { maxConnections: 0 } },
      ));

    test('nbd: of 250 clients 100 are served, and each of the others when one of them has gone', () =>
      survives(
        async ({ server, item }) => {
          let most = 0;
          let there = 0;
          const live = async (): Promise<void> => {
            const client = await NbdClient.ready(server.address, item.name);
            there += 1;
            most = Math.max(most, server.connections);
            // The first hundred wait for each other, so that nobody makes room before.
            await until(() => there >= 100);
            expect((await client.request({ command: Command.read, length: BLOCK })).error).toBe(0);
            await client.disconnect();
          };
          await Promise.all(Array.from({ length: 250 }, live));
          expect([there, most]).toEqual([250, 100]);
        },
        { context: context() },
      ));
  });

  test('nbd: 500 connections of which most say nothing, or half of what there is to say', () =>
    survives(
      async (survivor) => {
        const { server, item } = survivor;
        const silent = await Promise.all(
          Array.from({ length: CROWD }, (_, index) =>
            index % 2 === 0 ? NbdClient.connect(server.address) : NbdClient.greeted(server.address),
          ),
        );
        await until(() => server.connections === CROWD);
        for (const client of silent) client.send(Buffer.alloc(3));
        const [client] = await join(survivor, 1);
        expect((await client?.request({ command: Command.read, length: BLOCK }))?.error).toBe(0);
        expect(item.clients).toBe(1);
        for (const one of silent) one.destroy();
        await client?.disconnect();
        await turn();
      },
      { settings: { maxConnections: 0 } },
    ));
});
