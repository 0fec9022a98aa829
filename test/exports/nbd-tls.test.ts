// TLS of NBD servers, with genuine clients (GnuTLS) and with one that breaks off.
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type NbdServer, NbdServer as Server, type NbdClient as Who } from '../../lib/index.js';
import { type Authority, authority, sharedKey } from '../support/certificates.js';
import { image } from '../support/images.js';
import { scratchFolder } from '../support/matrix.js';
import { client, diskNode, freshName, served, socketPath } from '../support/nbd.js';
import { Command, NbdClient, Option, Reply } from '../support/nbd-client.js';
import { describeWith } from '../support/tools.js';
import { until } from '../support/waiting.js';

const SIZE = 4 << 20;
const EXPORT = 'disk';
const folder = scratchFolder();

let ours: Authority;
let others: Authority;

const certificates = () => ({
  cert: ours.file('server-cert.pem'),
  key: ours.file('server-key.pem'),
  ca: ours.file('ca-cert.pem'),
});

const asGuest = (from: Authority = ours) => ({
  ca: ours.file('ca-cert.pem'),
  cert: from.file('client-cert.pem'),
  key: from.file('client-key.pem'),
  servername: 'localhost',
});

/** A disk with a pattern, and where it is. */
function patterned(): string {
  const path = image(SIZE);
  const data = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 4) data.writeUInt32BE(at ^ 0x5a5a5a5a, at);
  writeFileSync(path, data);
  return path;
}

async function withTcp(
  path: string,
  settings: Parameters<typeof Server.listen>[1],
  body: (server: NbdServer) => Promise<void>,
): Promise<void> {
  const node = await diskNode(path);
  const address = { type: 'inet', host: '127.0.0.1', port: 0 } as const;
  await using server = await Server.listen(address, settings);
  await server.addExport({
    id: freshName('export'),
    'node-name': node,
    name: EXPORT,
    writable: true,
  });
  await body(server);
}

/** libnbd checks the name in the certificate, so it must connect to that. */
function uriOf(server: NbdServer, query: string): string {
  return `${server.uri(EXPORT).replace('127.0.0.1', 'localhost')}?${query}`;
}

const portOf = ({ address }: NbdServer): number =>
  address.type === 'inet' ? (address.port as number) : 0;

const onDisk = { name: EXPORT };

describeWith(['openssl', 'nbdinfo', 'nbdcopy', 'qemu-io', 'qemu-img'], 'tls', () => {
  beforeAll(() => {
    ours = authority();
    others = authority();
  });

  test('tls: nbdcopy reads and writes a disk with certificates on both sides', async () => {
    const path = patterned();
    const expected = readFileSync(path);
    await withTcp(path, { tls: certificates() }, async (server) => {
      const uri = uriOf(server, `tls-certificates=${ours.dir}`);
      expect(uri).toMatch(/^nbds:\/\/localhost:\d+\/disk\?/);
      const info = await client('nbdinfo', uri);
      expect(info).toMatchObject({ code: 0, stdout: expect.stringContaining('with TLS') });
      const copy = join(folder, 'copy');
      expect(await client('nbdcopy', uri, copy)).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(copy).equals(expected)).toBe(true);
      const zeroes = image(SIZE);
      expect(await client('nbdcopy', zeroes, uri)).toMatchObject({ code: 0, stderr: '' });
    });
    expect(readFileSync(path).equals(Buffer.alloc(SIZE))).toBe(true);
  });

  test('tls: qemu-img compares a disk with certificates, and qemu-io writes to it', async () => {
    const path = patterned();
    const same = image(SIZE);
    writeFileSync(same, readFileSync(path));
    await withTcp(path, { tls: certificates() }, async (server) => {
      const object = `tls-creds-x509,id=t,endpoint=client,dir=${ours.dir}`;
      const options = `driver=nbd,host=localhost,port=${portOf(server)},export=disk,tls-creds=t`;
      const compared = await client(
        'qemu-img',
        'compare',
        '--object',
        object,
        '--image-opts',
        options,
        `driver=file,filename=${same}`,
      );
      expect(compared).toMatchObject({ code: 0, stderr: '' });
      const wrote = await client(
        'qemu-io',
        '--object',
        object,
        '--image-opts',
        options,
        '-c',
        'write -P 0x77 1M 2M',
        '-c',
        'flush',
      );
      expect(wrote).toMatchObject({ code: 0, stderr: '' });
    });
    const written = readFileSync(path).subarray(1 << 20, 3 << 20);
    expect(written.equals(Buffer.alloc(2 << 20, 0x77))).toBe(true);
  });

  test('tls: a key that both know is enough', async () => {
    const path = patterned();
    const expected = readFileSync(path);
    const { identity, key, file } = sharedKey();
    const seen: unknown[] = [];
    const settings = {
      tls: { psk: { [identity]: key } },
      authorize: ({ host, tls }: Who) => {
        seen.push(`${tls?.identity} ${tls?.protocol} ${host}`);
        return true;
      },
    };
    await withTcp(path, settings, async (server) => {
      const uri = `${server.uri(EXPORT).replace('nbds://', `nbds://${identity}@`)}?tls-psk-file=${file}`;
      const copy = join(folder, 'copy-psk');
      expect(await client('nbdcopy', uri, copy)).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(copy).equals(expected)).toBe(true);
      const stranger = sharedKey('stranger');
      const refused = `${server.uri(EXPORT).replace('nbds://', 'nbds://stranger@')}?tls-psk-file=${stranger.file}`;
      expect((await client('nbdinfo', refused)).code).not.toBe(0);
      expect((await client('nbdinfo', uri)).code).toBe(0);
    });
    expect(new Set(seen)).toEqual(new Set([`${identity} TLSv1.3 127.0.0.1`]));
  });

  test('tls: nothing but TLS and ABORT is answered before it, and no name is told', () =>
    served(
      patterned(),
      async ({ server }) => {
        const plain = await NbdClient.greeted(server.address);
        for (const option of [Option.list, Option.structuredReply, Option.extendedHeaders, 99]) {
          const replies = await plain.option(option);
          expect(replies.map(({ type }) => type)).toEqual([Reply.tlsRequired]);
        }
        expect((await plain.go(EXPORT)).map(({ type }) => type)).toEqual([Reply.tlsRequired]);
        const [acknowledged] = await plain.option(Option.abort);
        expect(acknowledged?.type).toBe(Reply.ack);
        await plain.ended();
        const old = await NbdClient.greeted(server.address);
        old.sendOption(Option.exportName, Buffer.from(EXPORT));
        await old.ended();
        expect((await client('nbdinfo', server.uri(EXPORT).replace('nbds', 'nbd'))).code).toBe(1);
      },
      onDisk,
      { tls: certificates() },
    ));

  test('tls: where it is not required, both ways lead to the disk', () =>
    served(
      patterned(),
      async ({ server }) => {
        const plain = await NbdClient.ready(server.address, EXPORT);
        const secured = await (await NbdClient.greeted(server.address)).startTls(asGuest());
        expect((await secured.go(EXPORT)).at(-1)?.type).toBe(Reply.ack);
        const request = { command: Command.read, offset: 65536, length: 65536 };
        const [first, second] = [await plain.request(request), await secured.request(request)];
        expect(first.data.readUInt32BE()).toBe(65536 ^ 0x5a5a5a5a);
        expect(second.data).toEqual(first.data);
        expect(server.connections).toBe(2);
        await plain.disconnect();
        await secured.disconnect();
        await until(() => server.connections === 0);
      },
      onDisk,
      { tls: { ...certificates(), required: false } },
    ));

  test('tls: what was agreed upon before it counts no more', () =>
    served(
      patterned(),
      async ({ server }) => {
        const plain = await NbdClient.greeted(server.address);
        await plain.agree(Option.structuredReply);
        const secured = await plain.startTls(asGuest());
        expect((await secured.go(EXPORT)).at(-1)?.type).toBe(Reply.ack);
        const { error, chunks } = await secured.request({ command: Command.read, length: 512 });
        expect([error, chunks]).toEqual([0, []]);
        await secured.disconnect();
      },
      onDisk,
      { tls: { ...certificates(), required: false } },
    ));

  test('tls: a second STARTTLS, and one with data, are INVALID', () =>
    served(
      patterned(),
      async ({ server }) => {
        const plain = await NbdClient.greeted(server.address);
        const [refused] = await plain.option(Option.startTls, Buffer.from('x'));
        expect(refused?.type).toBe(Reply.invalid);
        const secured = await plain.startTls(asGuest());
        const [again] = await secured.option(Option.startTls);
        expect(again?.type).toBe(Reply.invalid);
        expect((await secured.go(EXPORT)).at(-1)?.type).toBe(Reply.ack);
        await secured.disconnect();
      },
      onDisk,
      { tls: certificates() },
    ));

  test('tls: plain bytes behind STARTTLS end the connection', () =>
    served(
      patterned(),
      async ({ server }) => {
        const sneaky = await NbdClient.greeted(server.address);
        const list = Buffer.alloc(16);
        list.write('IHAVEOPT');
        list.writeUInt32BE(Option.list, 8);
        const startTls = Buffer.from(list);
        startTls.writeUInt32BE(Option.startTls, 8);
        sneaky.send(startTls, list);
        await sneaky.ended();
        await until(() => server.connections === 0);
      },
      onDisk,
      { tls: certificates() },
    ));

  test('tls: a certificate of a stranger, or none, is refused, and the next client is served', () =>
    served(
      patterned(),
      async ({ server }) => {
        for (const options of [asGuest(others), { ca: ours.file('ca-cert.pem') }]) {
          const refused = async (): Promise<void> => {
            const plain = await NbdClient.greeted(server.address);
            const secured = await plain.startTls({ ...options, servername: 'localhost' });
            // With TLS 1.3 the client believes that all is well until it hears of the refusal.
            await secured.bytes(1);
          };
          await expect(refused()).rejects.toThrow();
          await until(() => server.connections === 0);
        }
        const uri = `${server.uri(EXPORT)}&tls-certificates=${ours.dir}&tls-hostname=localhost`;
        expect(await client('nbdinfo', '--size', uri)).toMatchObject({ stdout: `${SIZE}\n` });
      },
      onDisk,
      { tls: certificates() },
    ));

  test('tls: a client that hangs up anywhere in the handshake is let go', () =>
    served(
      patterned(),
      async ({ server }) => {
        const hello = Buffer.from('160301020001000001fc0303', 'hex');
        for (const cut of [0, 1, 5, 6, 11, 12]) {
          const cutOff = await NbdClient.greeted(server.address);
          await cutOff.agree(Option.startTls);
          cutOff.send(hello.subarray(0, cut));
          cutOff.socket.destroy();
        }
        const garbage = await NbdClient.greeted(server.address);
        await garbage.agree(Option.startTls);
        garbage.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(100)));
        await garbage.ended();
        await until(() => server.connections === 0);
      },
      onDisk,
      // node:tls does not look for the end of a client meanwhile, but it has a clock.
      { tls: certificates(), handshakeMaxSeconds: 1 },
    ));

  test('tls: a handshake that does not end is ended after its time', () =>
    served(
      patterned(),
      async ({ server }) => {
        const silent = await NbdClient.greeted(server.address);
        await silent.agree(Option.startTls);
        await silent.ended();
        await until(() => server.connections === 0);
      },
      onDisk,
      { tls: certificates(), handshakeMaxSeconds: 1 },
    ));

  test('tls: close() ends clients in the handshake and in transmission, whatever they do', async () => {
    const node = await diskNode(patterned());
    const server = await Server.listen(
      { type: 'unix', path: socketPath() },
      { tls: certificates() },
    );
    await server.addExport({ id: freshName('export'), 'node-name': node, name: EXPORT });
    const silent = await NbdClient.greeted(server.address);
    await silent.agree(Option.startTls);
    const busy = await (await NbdClient.greeted(server.address)).startTls(asGuest());
    await busy.go(EXPORT);
    // More than the sockets hold, and nobody reads it.
    busy.socket.pause();
    for (let at = 0; at < 16; at += 1) busy.sendRequest({ command: Command.read, length: SIZE });
    await until(() => server.exports[0]?.clients === 1);
    await server.close();
    busy.socket.resume();
    await busy.ended();
    await silent.ended();
  });

  test('tls: requests in flight are answered after the client has said that it sends no more', () =>
    served(
      patterned(),
      async ({ server }) => {
        const secured = await (await NbdClient.greeted(server.address)).startTls(asGuest());
        await secured.go(EXPORT);
        for (let at = 0; at < 64; at += 1) {
          secured.sendRequest({ command: Command.read, offset: at * 65536, length: 65536 });
        }
        secured.socket.end();
        const seen = new Set<number>();
        for (let at = 0; at < 64; at += 1) {
          const { error, data } = await secured.answer();
          expect([error, data.length]).toEqual([0, 65536]);
          seen.add(data.readUInt32BE() ^ 0x5a5a5a5a);
        }
        expect(seen.size).toBe(64);
        await secured.ended();
      },
      onDisk,
      { tls: certificates() },
    ));

  test('tls: settings that cannot work are refused with what is wrong', async () => {
    const address = { type: 'unix', path: socketPath() } as const;
    const { cert, key, ca } = certificates();
    const refused = async (tls: object): Promise<string> => {
      try {
        await using server = await Server.listen(address, { tls });
        return `listens on ${server.uri()}`;
      } catch (error) {
        return `${(error as { code: string }).code}: ${(error as Error).message}`;
      }
    };
    expect(await refused({})).toMatch(/^ERR_INVALID_ARG_VALUE: .*cert and key, or psk/);
    expect(await refused({ cert })).toMatch(/^ERR_INVALID_ARG_VALUE: .*settings\.tls\.key/);
    expect(await refused({ cert, key, verifyPeer: true })).toMatch(/settings\.tls\.ca/);
    expect(await refused({ psk: { guest: 'secret' } })).toMatch(/settings\.tls\.psk\['guest'\]/);
    expect(await refused({ psk: { guest: 'secret' } })).not.toMatch(/'secret'/);
    expect(await refused({ cert: 'no certificate', key, ca })).toMatch(/^EINVAL: .*TLS/);
    expect(await refused({ cert, key: others.file('server-key.pem') })).toMatch(/^EINVAL: .*TLS/);
    // And nobody listens there now.
    const socket = connect(address.path);
    await new Promise((resolve) => socket.once('error', resolve));
  });
});
