// A server in a process of its own, so that its memory is its own: node --expose-gc
// nbd-memory-child.cjs IMAGE SOCKET HOME. It answers every message with what it uses.
const { AioContext, NbdServer, blockdevAdd } = require('block-backend');

const [filename, path, home] = process.argv.slice(2);

async function serve() {
  const file = { driver: 'file', filename };
  await blockdevAdd({ driver: 'raw', 'node-name': 'disk', file });
  const server = await NbdServer.listen({ type: 'unix', path }, { maxConnections: 0 });
  const thread = home === 'iothread' ? { iothread: new AioContext({ name: 'exports' }) } : {};
  const options = { id: 'export', 'node-name': 'disk', writable: true, ...thread };
  const { backend } = await server.addExport(options);
  process.on('message', () => {
    global.gc();
    process.send({
      rss: process.memoryUsage().rss,
      connections: server.connections,
      inFlight: backend.inFlight,
    });
  });
  process.send('there');
}

void serve();
