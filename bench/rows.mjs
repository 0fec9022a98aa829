// What `npm run bench` measures: every row compares a value of our side with that of a peer, runs of
// the two in turns. bench/sides/ says what exactly each side does.
//
//   ours, theirs   a side and its settings; without `theirs` our value stands alone
//   metric         which value of the sides' results; default: requests per second
//   compare        'ratio' (default) or 'difference'; alone: 'value'
//   unit           of the result
//   atLeast, atMost   the target; rows without one are there to be read

/** Reads of 4 KiB at random places of a cached file, unless the settings say otherwise. */
const DEFAULTS = { depth: 32, blockSize: 4096 };
const of = (side, defaults) => (settings) => ({ side, ...DEFAULTS, ...defaults, ...settings });

const ours = of('block-backend', { api: 'promise', memory: 'pool' });
const fs = of('fs', { api: 'promise', memory: 'buffer' });
const fio = of('fio', { needs: ['fio'], api: 'C', memory: 'fixed buffers' });
const qemuImg = of('qemu-img', { needs: ['qemu-img'], api: 'C', memory: 'its own' });
const limit = of('limit', { needs: ['gcc'], api: 'C', memory: 'fixed buffers' });
const lateness = of('lateness', { api: 'promise', memory: 'pool' });
const resident = of('resident', {
  api: 'promise',
  memory: 'pool',
  few: 1000,
  many: 10_000,
  // The young generation of V8 grows by tens of MiB as it pleases, and its threads' heaps do.
  nodeOptions: ['--expose-gc', '--max-semi-space-size=1', '--single-threaded-gc'],
});

const MIB = 1024 ** 2;
const KIB = 1024;
/** Of one file each, beside a few of Node's own. */
const TEN_THOUSAND_FILES = 10_200;

const againstPeers = [
  {
    name: 'depth 32 vs fio io_uring',
    ours: ours(),
    theirs: fio(),
    atLeast: 1.3,
  },
  {
    name: 'depth 32 vs fio io_uring in batches',
    ours: ours(),
    theirs: fio({ batch: 32 }),
  },
  {
    name: 'depth 32 vs qemu-img bench',
    ours: ours(),
    theirs: qemuImg(),
    atLeast: 1.7,
  },
  {
    name: 'depth 32 vs fs.promises',
    ours: ours(),
    theirs: fs(),
    atLeast: 7,
  },
  {
    name: 'depth 32, plain Buffer vs fs.promises',
    ours: ours({ memory: 'buffer' }),
    theirs: fs(),
    atLeast: 5,
  },
  {
    name: 'depth 32 vs the plain C loop',
    ours: ours(),
    theirs: limit(),
    atLeast: 0.8,
  },
  {
    name: 'depth 1, latency vs the plain C loop',
    ours: ours({ depth: 1 }),
    theirs: limit({ depth: 1 }),
    metric: 'latency_us',
    atMost: 1.6,
  },
  {
    name: 'depth 1 vs fs.promises',
    ours: ours({ depth: 1 }),
    theirs: fs({ depth: 1 }),
    atLeast: 14,
  },
  {
    name: 'callbacks, depth 32 vs the plain C loop',
    ours: ours({ api: 'callback' }),
    theirs: limit(),
    atLeast: 0.9,
  },
  {
    name: 'callbacks, depth 32 vs fs.read',
    ours: ours({ api: 'callback' }),
    theirs: fs({ api: 'callback' }),
  },
  {
    name: 'preadSync vs fs.readSync',
    ours: ours({ api: 'sync', depth: 1 }),
    theirs: fs({ api: 'sync', depth: 1 }),
    atLeast: 1,
  },
  {
    name: 'O_DIRECT, depth 32 vs fio',
    ours: ours({ direct: true }),
    theirs: fio({ direct: true }),
    atLeast: 0.95,
  },
  {
    name: 'O_DIRECT, depth 32, CPU per request vs fio',
    ours: ours({ direct: true }),
    theirs: fio({ direct: true }),
    metric: 'cpu_us_per_io',
    atMost: 1.5,
  },
  {
    name: 'null-co, depth 32 vs qemu-img bench',
    ours: ours({ driver: 'null-co' }),
    theirs: qemuImg({ driver: 'null-co' }),
    atLeast: 1,
  },
  {
    name: 'null-co, callbacks, depth 32 vs qemu-img bench',
    ours: ours({ driver: 'null-co', api: 'callback' }),
    theirs: qemuImg({ driver: 'null-co' }),
    atLeast: 1.2,
  },
  {
    name: 'random writes, depth 32 vs fio io_uring',
    ours: ours({ write: true }),
    theirs: fio({ write: true }),
    atLeast: 1.2,
  },
  {
    name: 'random writes: pwrite calls of the Node thread',
    ours: of('write-calls', { needs: ['strace'], api: 'promise', memory: 'pool' })({ write: true }),
    metric: 'calls',
    unit: '',
    atMost: 0,
  },
  {
    name: 'sequential 1 MiB, depth 4 vs fio',
    ours: ours({ depth: 4, blockSize: MIB, sequential: true }),
    theirs: fio({ depth: 4, blockSize: MIB, sequential: true }),
    atLeast: 0.97,
  },
  {
    name: 'aio=threads, depth 32 vs qemu-img bench -i threads',
    ours: ours({ aio: 'threads' }),
    theirs: qemuImg({ aio: 'threads' }),
    atLeast: 2,
  },
];

const againstOurselves = [
  {
    name: 'IOThread, depth 32 vs main loop',
    ours: ours({ home: 'iothread' }),
    theirs: ours(),
    atLeast: 0.9,
  },
  {
    name: 'IOThread, native, depth 32: p99 beside blocking JavaScript',
    ours: of('producer', { api: 'native', memory: 'native' })({ home: 'iothread' }),
    metric: 'p99',
    unit: 'ms',
    atMost: 1,
  },
  {
    name: '16 backends, depth 2 each, vs one at 32',
    ours: ours({ disks: 16 }),
    theirs: ours(),
    atLeast: 0.95,
  },
  {
    name: '16 backends, depth 32 each, vs one at 32',
    ours: ours({ disks: 16, depth: 512 }),
    theirs: ours(),
    atLeast: 0.95,
  },
  {
    name: 'beside 100 idle backends vs beside 1',
    ours: ours({ idle: 100 }),
    theirs: ours({ idle: 1 }),
    atLeast: 0.9,
  },
  {
    name: 'beside 10,000 idle backends vs beside 1',
    ours: ours({ idle: 10_000, files: TEN_THOUSAND_FILES }),
    theirs: ours({ idle: 1 }),
    atLeast: 0.9,
  },
  {
    name: 'round robin over 10,000 backends vs one: time',
    ours: ours({ disks: 10_000, roundRobin: true, files: TEN_THOUSAND_FILES }),
    theirs: ours({ roundRobin: true }),
    metric: 'latency_us',
    atMost: 2,
  },
];

const costs = [
  {
    name: 'resident memory per backend',
    ours: resident({ what: 'backend' }),
    metric: 'resident',
    unit: 'B',
    atMost: 4 * KIB,
  },
  {
    name: 'resident memory per backend with two nodes',
    ours: resident({ what: 'disk', files: TEN_THOUSAND_FILES }),
    metric: 'resident',
    unit: 'B',
    atMost: 3 * 4 * KIB,
  },
  {
    name: 'resident memory per request in flight',
    ours: resident({ what: 'request' }),
    metric: 'resident',
    unit: 'B',
    atMost: KIB,
  },
  {
    name: 'JavaScript heap per request in flight',
    ours: resident({ what: 'request' }),
    metric: 'heap',
    unit: 'B',
    atMost: 300,
  },
  {
    name: 'drain at depth 256: p99 after the last completion',
    ours: of('drain', { api: 'callback', memory: 'pool' })({ depth: 256 }),
    metric: 'p99',
    unit: 'ms',
    atMost: 1,
  },
  {
    name: 'first backend open, from require()',
    ours: of('first-open', { api: 'promise', memory: 'none' })(),
    metric: 'ms',
    unit: 'ms',
    atMost: 30,
  },
];

const timers = [1, 256].map((depth) => ({
  name: `depth ${depth}, timer vs idle`,
  ours: lateness({ depth }),
  theirs: lateness({ depth: 0 }),
  metric: 'p99',
  compare: 'difference',
  unit: 'ms',
  atMost: 2,
}));

function complete(row) {
  const compare = row.compare ?? (row.theirs === undefined ? 'value' : 'ratio');
  return { metric: 'iops', unit: compare === 'ratio' ? 'x' : '', ...row, compare };
}

export const ROWS = [...againstPeers, ...againstOurselves, ...costs, ...timers].map(complete);
