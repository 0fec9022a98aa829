// Who may use an export: the owner of the server is asked.
import { NbdServer, type NbdClient as Who } from '../../lib/index.js';
import { image } from '../support/images.js';
import { listen, served } from '../support/nbd.js';
import { NbdClient, Option, Reply } from '../support/nbd-client.js';
import { isSettled, turn, until } from '../support/waiting.js';

const SIZE = 1 << 20;

const lastOf = (replies: readonly { readonly type: number }[]): number | undefined =>
  replies.at(-1)?.type;

describe('nbd: authorize', () => {
  test('nbd: authorize hears who asks, over a UNIX socket', async () => {
    const asked: Who[] = [];
    const authorize = (who: Who): boolean => {
      asked.push(who);
      return true;
    };
    await served(
      image(SIZE),
      async ({ server, item }) => {
        await (await NbdClient.ready(server.address, item.name)).disconnect();
        expect(asked).toEqual([
          {
            export: item.name,
            pid: process.pid,
            uid: process.getuid?.(),
            gid: process.getgid?.(),
            host: undefined,
            port: undefined,
          },
        ]);
        expect(Object.isFrozen(asked[0])).toBe(true);
      },
      {},
      { authorize },
    );
  });

  test('nbd: authorize hears who asks, over TCP', async () => {
    const asked: Who[] = [];
    await using server = await NbdServer.listen(
      { type: 'inet', host: '127.0.0.1', port: 0 },
      {
        authorize: (who) => {
          asked.push(who);
          return false;
        },
      },
    );
    await served(image(SIZE), async ({ node }) => {
      await using _item = await server.addExport({ id: 'tcp', 'node-name': node, name: 'tcp' });
      const client = await NbdClient.greeted(server.address);
      expect(lastOf(await client.go('tcp'))).toBe(Reply.policy);
      expect(asked).toMatchObject([
        { export: 'tcp', host: '127.0.0.1', port: client.socket.localPort, pid: undefined },
      ]);
      client.destroy();
    });
  });

  test('nbd: who is refused learns nothing but that, and may ask for another export', () =>
    served(
      image(SIZE),
      async ({ server, item, node }) => {
        await server.addExport({ id: 'open', 'node-name': node, name: 'open' });
        const client = await NbdClient.greeted(server.address);
        await client.agree(Option.structuredReply);
        for (const option of [Option.info, Option.go]) {
          const replies = await client.option(option, client.infoData(item.name, [1, 2, 3]));
          expect(replies.map(({ type }) => type)).toEqual([Reply.policy]);
        }
        for (const option of [Option.listMetaContext, Option.setMetaContext]) {
          const data = client.contextData(item.name, ['base:allocation']);
          expect(lastOf(await client.option(option, data))).toBe(Reply.policy);
        }
        expect(lastOf(await client.go('nobody'))).toBe(Reply.unknown);
        expect(lastOf(await client.go('open'))).toBe(Reply.ack);
        await client.disconnect();
        const old = await NbdClient.greeted(server.address);
        old.sendOption(Option.exportName, Buffer.from(item.name));
        await old.ended();
      },
      {},
      { authorize: (who) => who.export === 'open' },
    ));

  test('nbd: an answer may take its time, and others do not wait for it', () => {
    let release: (admitted: boolean) => void = () => {};
    const authorize = (who: Who): boolean | Promise<boolean> =>
      who.export === 'fast' ||
      new Promise<boolean>((resolve) => {
        release = resolve;
      });
    return served(
      image(SIZE),
      async ({ server, item, node }) => {
        await server.addExport({ id: 'fast', 'node-name': node, name: 'fast' });
        const slow = await NbdClient.greeted(server.address);
        const going = slow.go(item.name);
        await (await NbdClient.ready(server.address, 'fast')).disconnect();
        await turn();
        expect(await isSettled(going)).toBe(false);
        release(true);
        expect(lastOf(await going)).toBe(Reply.ack);
        expect((await slow.request({ command: 0, length: 512 })).error).toBe(0);
        await slow.disconnect();
      },
      {},
      { authorize },
    );
  });

  test('nbd: an answer that never comes costs the client its connection when the time is over', () =>
    served(
      image(SIZE),
      async ({ server, item }) => {
        const client = await NbdClient.greeted(server.address);
        client.sendOption(Option.go, client.infoData(item.name));
        await client.ended();
        await until(() => server.connections === 0);
      },
      {},
      { authorize: () => new Promise<boolean>(() => {}), handshakeMaxSeconds: 1 },
    ));

  test('nbd: close() does not wait for an answer', () => {
    let asked = false;
    return served(
      image(SIZE),
      async ({ server, item }) => {
        const client = await NbdClient.greeted(server.address);
        client.sendOption(Option.go, client.infoData(item.name));
        await until(() => asked);
        await server.close();
        await client.ended();
      },
      {},
      {
        authorize: () => {
          asked = true;
          return new Promise<boolean>(() => {});
        },
        handshakeMaxSeconds: 0,
      },
    );
  });
  test('nbd: what authorize throws refuses the client, and is told as a warning', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const authorize = (): Promise<boolean> => Promise.reject(new Error('the directory is down'));
    await served(
      image(SIZE),
      async ({ server, item }) => {
        const client = await NbdClient.greeted(server.address);
        expect(lastOf(await client.go(item.name))).toBe(Reply.policy);
        client.destroy();
        const text = `a client of export '${item.name}' was refused: authorize threw: the directory is down`;
        expect(warned.mock.calls).toEqual([[text, 'NbdAuthorizeWarning']]);
      },
      {},
      { authorize },
    );
    warned.mockRestore();
  });

  test('nbd: authorize must be a function', async () => {
    const authorize = 'yes' as unknown as () => boolean;
    await expect(listen({ authorize })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });
});
