// Who is taken apart: programs that make so many reads of 4 KiB, at depth 32 unless they are
// synchronous, and end. `command(image, requests)` is how each is started.
import { sideScript } from '../lib/child.mjs';
import { limitProgram } from '../lib/programs.mjs';

const DEPTH = 32;
const BLOCK = 4096;
export const IMAGE_BYTES = 64 * 1024 ** 2;

/** One of our sides, in Node. */
function nodeSide(name, side, settings) {
  const all = { depth: DEPTH, blockSize: BLOCK, bytes: IMAGE_BYTES, ...settings };
  return {
    name,
    isNode: true,
    command: (image, requests, { nodeOptions = [], ...more } = {}) => [
      process.execPath,
      ...nodeOptions,
      sideScript(side),
      JSON.stringify({ ...all, ...more, image, most: requests }),
    ],
  };
}

const fio = (image, requests) => [
  'fio',
  ...['--name=bench', `--filename=${image}`, '--ioengine=io_uring', '--fixedbufs=1'],
  ...['--registerfiles=1', '--rw=randread', `--bs=${BLOCK}`, `--iodepth=${DEPTH}`],
  ...['--norandommap=1', '--gtod_reduce=1', '--invalidate=0', '--allow_file_create=0'],
  // One process, so that everything is seen from its start to its end.
  ...['--thread=1', `--number_ios=${requests}`, `--io_size=${requests * BLOCK}`],
];

const qemuImg = (image, requests) => [
  ...['qemu-img', 'bench', '-f', 'raw', '-i', 'io_uring', '-t', 'writeback'],
  ...['-c', String(requests), '-d', String(DEPTH), '-s', String(BLOCK)],
  // A prime number of blocks, 0.4 of the image.
  ...['-S', String(6553 * BLOCK), image],
];

export async function subjects() {
  const limit = await limitProgram();
  const ours = (name, settings) =>
    nodeSide(name, 'block-backend', { api: 'promise', memory: 'pool', ...settings });
  return [
    ours('promise, pool', {}),
    ours('promise, Buffer', { memory: 'buffer' }),
    ours('callback, pool', { api: 'callback' }),
    ours('preadSync, pool', { api: 'sync', depth: 1 }),
    {
      name: 'plain C loop',
      command: (image, requests) => [limit, '-n', String(requests), '-d', String(DEPTH), image],
    },
    { name: 'fio io_uring', needs: 'fio', command: fio },
    { name: 'qemu-img bench', needs: 'qemu-img', command: qemuImg },
    nodeSide('fs.promises', 'fs', { api: 'promise' }),
    nodeSide('fs.read', 'fs', { api: 'callback' }),
    nodeSide('fs.readSync', 'fs', { api: 'sync', depth: 1 }),
  ];
}
