// A user's program, by require: bytes go to a file and come back, on every engine that there is.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const SIZE = 1024 ** 2;

async function roundTrip({ AioContext, BlockBackend }, filename, aio) {
  const context = new AioContext({ home: 'node', aio });
  try {
    const file = { driver: 'file', filename };
    const blk = await BlockBackend.open({ driver: 'raw', file }, { name: `disk-${aio}`, context });
    const memory = blk.allocate(4096);
    memory.fill(aio.length);
    await blk.pwrite(8192, memory);
    await blk.flush();
    memory.fill(0);
    await blk.pread(8192, memory);
    const onDisk = fs.readFileSync(filename).subarray(8192, 8192 + 4096);
    await blk.close();
    if (!onDisk.equals(memory) || onDisk[0] !== aio.length) throw new Error(`${aio}: other bytes`);
  } finally {
    await context.close();
  }
}

/** Prints what was seen, for the script that started this. */
exports.consume = async (blockBackend, kind) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'consumer-'));
  const filename = path.join(folder, 'disk.img');
  fs.writeFileSync(filename, Buffer.alloc(SIZE));
  try {
    const { engine } = blockBackend.hostFeatures();
    const engines = engine === 'io_uring' ? ['io_uring', 'threads'] : ['threads'];
    for (const aio of engines) await roundTrip(blockBackend, filename, aio);
    const { version } = blockBackend;
    const { arch, versions } = process;
    console.log(JSON.stringify({ kind, version, engines, arch, node: versions.node }));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
};

// What it is rejected with ends the process.
if (require.main === module) void exports.consume(require('block-backend'), 'require');
