// How a process or a worker with a server ends: node nbd-life-child.cjs HOW HOME IMAGE SOCKET
const { connect } = require('node:net');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, NbdServer, blockdevAdd } = require('block-backend');

const args = isMainThread ? process.argv.slice(2) : workerData;
const [how, home, image, path] = args;

async function serve() {
  const file = { driver: 'file', filename: image };
  await blockdevAdd({ driver: 'raw', 'node-name': 'disk', file });
  const server = await NbdServer.listen({ type: 'unix', path });
  const thread = home === 'iothread' ? { iothread: new AioContext({ name: 'exports' }) } : {};
  const item = await server.addExport({
    id: 'export',
    'node-name': 'disk',
    writable: true,
    ...thread,
  });
  return { server, item };
}

/** A client that has chosen the export and reads on and on; `ended` when the server has gone. */
function readOn() {
  const socket = connect(path);
  const header = Buffer.alloc(28);
  header.writeUInt32BE(0x25609513);
  header.writeUInt32BE(4096, 24);
  const name = Buffer.from('disk');
  const option = Buffer.alloc(20);
  option.writeUInt32BE(3);
  option.writeBigUInt64BE(0x49484156454f5054n, 4);
  option.writeUInt32BE(1, 12);
  option.writeUInt32BE(name.length, 16);
  socket.write(Buffer.concat([option, name]));
  socket.on('data', () => socket.write(Buffer.concat(Array(8).fill(header))));
  socket.on('error', () => {});
  return {
    socket,
    serving: new Promise((resolve) => {
      let bytes = 0;
      socket.on('data', (data) => {
        bytes += data.length;
        if (bytes > 1 << 20) resolve();
      });
    }),
    ended: new Promise((resolve) => socket.on('close', resolve)),
  };
}

async function main() {
  if (how === 'terminate') {
    const worker = new Worker(__filename, { workerData: ['worker', home, image, path] });
    await new Promise((resolve) => worker.once('message', resolve));
    const clients = [readOn(), readOn(), readOn()];
    await Promise.all(clients.map(({ serving }) => serving));
    await worker.terminate();
    await Promise.all(clients.map(({ ended }) => ended));
    console.log('done');
    return;
  }
  const { server, item } = await serve();
  if (how === 'worker') {
    parentPort.postMessage('there');
  } else if (how === 'unref') {
    server.unref();
    console.log('done');
  } else if (how === 'listening') {
    // Nothing but the server keeps it alive until it is told to end.
    console.log('listening');
    process.once('SIGTERM', () => {
      void server.close().then(() => console.log('done'));
    });
  } else {
    const clients = [readOn(), readOn(), readOn()];
    await Promise.all(clients.map(({ serving }) => serving));
    if (how === 'exit-drained') await item.backend.drained();
    console.log('done');
    process.exit();
  }
}

void main();
