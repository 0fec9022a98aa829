// A monitor as its clients see it.
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import { emitBlockEvent } from '../../lib/graph/block-events.js';
import { BlockBackend, blockEvents, command, probe, QmpServer, qapi } from '../../lib/index.js';
import { useMonitor } from '../support/monitor.js';
import { isSettled, turn, until } from '../support/waiting.js';

const steps: string[] = [];
let release: () => void = () => {};

/** Commands that a test can hold up, and see in which order they ran. */
const test$ = [
  command(
    'x-hold',
    {},
    {
      doc: 'Waits until the test lets it go.',
      run: () =>
        new Promise<void>((resolve) => {
          steps.push('hold');
          release = resolve;
        }),
    },
  ),
  command(
    'x-step',
    { name: qapi.str },
    {
      doc: 'Tells that it ran.',
      run: ({ name }) => {
        steps.push(name);
      },
    },
  ),
  command(
    'x-wrong-reply',
    {},
    {
      doc: 'Does not keep to its schema.',
      returns: qapi.str,
      run: () => 5 as unknown as string,
    },
  ),
];

const monitor = useMonitor({ commands: test$ });

beforeEach(() => {
  steps.length = 0;
});

describe('negotiation', () => {
  test('a client is greeted with the version and no capabilities', async () => {
    const [client, greeting] = await monitor().greeted();
    expect(greeting).toEqual({
      QMP: {
        version: {
          qemu: { major: 7, minor: 2, micro: 0 },
          package: expect.stringMatching(/^block-backend \d/),
        },
        capabilities: [],
      },
    });
    await client.close();
  });

  test('before it there is no command but qmp_capabilities, and afterwards that one no more', async () => {
    const [client] = await monitor().greeted();
    expect(await client.exchange({ execute: 'query-version' })).toMatchObject({
      error: { class: 'CommandNotFound' },
    });
    expect(await client.exchange({ execute: 'qmp_capabilities' })).toMatchObject({ return: {} });
    expect(await client.exchange({ execute: 'query-version' })).toHaveProperty(
      'return.qemu.major',
      7,
    );
    expect(await client.exchange({ execute: 'qmp_capabilities' })).toMatchObject({
      error: { class: 'CommandNotFound' },
    });
    await client.close();
  });

  test('a capability that is not there is refused, and the negotiation goes on', async () => {
    const [client] = await monitor().greeted();
    const request = { execute: 'qmp_capabilities', arguments: { enable: ['oob'] } };
    expect(await client.exchange(request)).toMatchObject({ error: { class: 'GenericError' } });
    await client.negotiate();
    await client.close();
  });

  test('no events are sent before it', async () => {
    const [client] = await monitor().greeted();
    emitBlockEvent('STOP');
    await client.negotiate();
    emitBlockEvent('RESUME');
    expect(await client.event('RESUME')).toMatchObject({ event: 'RESUME' });
    expect(client.takeEvents()).toEqual([]);
    await client.close();
  });
});

describe('requests', () => {
  test.each([
    ['a string', '"execute"'],
    ['an array', '[1, {"execute": "query-version"}]'],
    ['no execute', '{"arguments": {}}'],
    ['execute of another type', '{"execute": 5}'],
    ['arguments of another type', '{"execute": "query-version", "arguments": []}'],
    ['a member that is none', '{"execute": "query-version", "more": 1}'],
    ['exec-oob', '{"exec-oob": "query-version"}'],
    ['an argument that is none', '{"execute": "query-version", "arguments": {"x": 1}}'],
    ['no JSON', '{"execute" "query-version"}'],
    ['garbage', '\u0000\u0001 %$§ ```\n'],
  ])('%s is answered with a GenericError, and the next one is served', async (_, text) => {
    const client = await monitor().client();
    client.send(text);
    expect(await client.reply()).toEqual({
      error: { class: 'GenericError', desc: expect.stringMatching(/./) },
    });
    await expect(client.execute('query-version')).resolves.toHaveProperty('qemu');
    await client.close();
  });

  test('an unknown command is CommandNotFound', async () => {
    const client = await monitor().client();
    expect(await client.exchange({ execute: 'nonesuch' })).toMatchObject({
      error: { class: 'CommandNotFound', desc: "there is no command 'nonesuch'" },
    });
    await client.close();
  });

  test.each([[5], ['x'], [null], [{ a: [1] }], [[true]]])(
    'an id of any type comes back: %j',
    async (id) => {
      const client = await monitor().client();
      client.send(`${JSON.stringify({ execute: 'query-version', id })}`);
      expect(await client.reply()).toMatchObject({ id });
      client.send(`${JSON.stringify({ execute: 'nonesuch', id })}`);
      expect(await client.reply()).toMatchObject({ id, error: { class: 'CommandNotFound' } });
      await client.close();
    },
  );

  test('many in one chunk are answered in their order', async () => {
    const client = await monitor().client();
    const ids = Array.from({ length: 500 }, (_, id) => id);
    client.send(ids.map((id) => `{"execute":"query-version","id":${id}}`).join(''));
    for (const id of ids) expect(await client.reply()).toMatchObject({ id });
    await client.close();
  });

  test('a byte at a time is enough', async () => {
    const client = await monitor().client();
    for (const byte of Buffer.from('{"execute":"query-version","id":1}')) {
      client.send(Buffer.from([byte]));
    }
    expect(await client.reply()).toMatchObject({ id: 1, return: { qemu: {} } });
    await client.close();
  });

  test('a string of more than 64 MiB is refused, and the client served all the same', async () => {
    const client = await monitor().client();
    const mebibyte = 'x'.repeat(1024 * 1024);
    client.send('{"execute":"');
    for (let count = 0; count < 65; count += 1) client.send(mebibyte);
    client.send('"}\n');
    expect(await client.reply()).toMatchObject({ error: { class: 'GenericError' } });
    await expect(client.execute('query-version')).resolves.toHaveProperty('qemu');
    await client.close();
  }, 120_000);

  test('a reply that is not as its schema says is an error of that command', async () => {
    const client = await monitor().client();
    expect(await client.exchange({ execute: 'x-wrong-reply' })).toMatchObject({
      error: { class: 'GenericError', desc: expect.stringContaining('x-wrong-reply') },
    });
    await client.close();
  });
});

describe('several clients', () => {
  test('commands of all of them run one at a time, each in turn', async () => {
    const [one, two] = [await monitor().client(), await monitor().client()];
    const held = one.execute('x-hold');
    await until(() => steps.includes('hold'));
    const later = [
      ...['a1', 'a2', 'a3'].map((name) => one.execute('x-step', { name })),
      ...['b1', 'b2', 'b3'].map((name) => two.execute('x-step', { name })),
    ];
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(steps).toEqual(['hold']);
    release();
    await Promise.all([held, ...later]);
    const others = steps.slice(1);
    expect(others.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
    expect(others.filter((name) => name.startsWith('b'))).toEqual(['b1', 'b2', 'b3']);
    expect(others.indexOf('b1')).toBeLessThan(others.indexOf('a2'));
    await one.close();
    await two.close();
  });

  test('events go to all of them while a command waits', async () => {
    const [one, two] = [await monitor().client(), await monitor().client()];
    const held = one.execute('x-hold');
    await until(() => steps.includes('hold'));
    emitBlockEvent('STOP');
    for (const client of [one, two]) {
      const { timestamp } = await client.event('STOP');
      expect(Math.abs(timestamp.seconds - Date.now() / 1000)).toBeLessThan(60);
      expect(timestamp.microseconds).toBeLessThan(1_000_000);
    }
    release();
    await held;
    await one.close();
    await two.close();
  });

  test('a drain that waits delays commands, and neither events nor the reading of input', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'n', size: 1024 * 1024 },
      { name: 'disk' },
    );
    probe('n').hold('pread', 'tag');
    const read = blk.pread(0, Buffer.alloc(512));
    await until(() => probe('n').held('tag') === 1);
    const client = await monitor().client();
    const resized = client.execute('block_resize', { device: 'disk', size: 512 });
    const after = client.execute('query-version');
    client.send('nonsense');
    emitBlockEvent('STOP');
    await client.event('STOP');
    expect(await isSettled(resized)).toBe(false);
    expect(await isSettled(after)).toBe(false);
    probe('n').release('tag');
    await read;
    await resized;
    await after;
    await client.close();
  });

  test('a connection that breaks takes what waits of it along, and nothing else', async () => {
    const client = await monitor().client();
    const held = client.execute('x-hold');
    await until(() => steps.includes('hold'));
    const broken = new PassThrough();
    monitor().server.attach(Duplex.from({ readable: broken, writable: new PassThrough() }));
    broken.write('{"execute":"qmp_capabilities"}{"execute":"x-step","arguments":{"name":"gone"}}');
    await turn();
    broken.destroy(new Error('reset'));
    await until(() => monitor().server.sessions === 1);
    const stays = client.execute('x-step', { name: 'stays' });
    release();
    await Promise.all([held, stays]);
    expect(steps).toEqual(['hold', 'stays']);
    await client.close();
  });

  test('what a client sent before it ended its side is carried out and answered', async () => {
    const socket = connect(monitor().path);
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    socket.end('{"execute":"qmp_capabilities"}{"execute":"query-version","id":9}');
    await new Promise((resolve) => socket.on('close', resolve));
    expect(text.split('\r\n').filter((line) => line.includes('"id": 9'))).toHaveLength(1);
  });
});

describe('the server', () => {
  test('quit is answered before the server ends', async () => {
    const client = await monitor().client();
    expect(await client.execute('quit')).toEqual({});
    await client.closed;
    expect(existsSync(monitor().path)).toBe(false);
  });

  test('a socket that nobody serves any more is replaced, one that is served is not', async () => {
    await using other = new QmpServer();
    await expect(other.listen(monitor().path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const stale = `${monitor().path}-stale`;
    const { spawnSync } = await import('node:child_process');
    const script = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(stale)).toBe(true);
    await other.listen(stale);
    expect(existsSync(stale)).toBe(true);
  });

  test('a client that does not go is disconnected all the same', async () => {
    const server = new QmpServer();
    const path = `${monitor().path}-stays`;
    await server.listen(path);
    const socket = connect({ path, allowHalfOpen: true });
    socket.resume();
    await server.connected();
    const ended = new Promise((resolve) => socket.on('end', resolve));
    await server.close();
    await ended;
    // It goes on sending, until that is an error.
    const refused = new Promise((resolve) => socket.on('error', resolve));
    const sending = setInterval(() => socket.write(' '), 10);
    expect(await refused).toMatchObject({ code: expect.stringMatching(/EPIPE|ECONNRESET/) });
    clearInterval(sending);
    socket.destroy();
  });

  test('it serves a TCP port', async () => {
    const free = createServer().listen(0);
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    await using server = new QmpServer();
    await server.listen({ host: '127.0.0.1', port });
    const { QmpClient } = await import('../support/qmp-client.js');
    const [client] = await QmpClient.over(connect(port, '127.0.0.1'));
    await client.negotiate();
    await client.close();
  });

  test('it serves any duplex stream, over several lines when asked', async () => {
    await using server = new QmpServer();
    const [input, output] = [new PassThrough(), new PassThrough()];
    server.attach(Duplex.from({ readable: input, writable: output }), { pretty: true });
    input.write('{"execute":"qmp_capabilities"}');
    let text = '';
    for await (const part of output.setEncoding('utf8')) {
      text += String(part);
      if (text.includes('"return"')) break;
    }
    expect(text).toContain('{\n    "QMP": {\n        "version": {');
    expect(text).toContain('{\n    "return": {}\n}');
  });

  test('a closed one serves nobody and listens to no events', async () => {
    const server = new QmpServer();
    server.attach(new PassThrough());
    expect(server.sessions).toBe(1);
    await server.close();
    await server.close();
    expect(server.sessions).toBe(0);
    expect(() => server.attach(new PassThrough())).toThrow(/closed/);
    await monitor().server.close();
    expect(blockEvents.listenerCount('STOP')).toBe(0);
  });
});
