// Brings a backend to a stage of its life and ends: node child.cjs STAGE ENDING AIO HOME IMAGE
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend } = require('block-backend');
const { fileOptions, stages } = require('./stages.cjs');

const GOES_ON = 5;

/** Ends this thread by itself: what the stage left decides when. */
function fallOff(check) {
  process.on('exit', () => {
    const wrong = check();
    if (wrong === undefined) return;
    process.exitCode = 99;
    console.error(wrong);
  });
}

const endings = {
  'falls off': (check) => fallOff(check),
  throws: () => {
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },
  exits: () => process.exit(7),
};

/** A worker that went away has taken nothing along. */
async function goOn(setup) {
  const context = new AioContext(setup);
  const blk = await BlockBackend.open(fileOptions(setup), { context });
  await blk.pread(0, blk.allocate(4096));
  await blk.flush();
  await blk.close();
  await context.close();
}

const workerEndings = {
  async terminated(worker) {
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  },
  async 'worker exits'(worker) {
    const code = await new Promise((resolve) => worker.once('exit', resolve));
    if (code !== 7) throw new Error(`the worker exited with ${code}`);
  },
  async 'worker falls off'(worker) {
    const code = await new Promise((resolve) => worker.once('exit', resolve));
    if (code !== 0) throw new Error(`the worker exited with ${code}`);
  },
};

async function endInWorker(setup) {
  const worker = new Worker(__filename, { workerData: setup });
  worker.on('error', (error) => {
    throw error;
  });
  await workerEndings[setup.ending](worker);
  await goOn(setup);
  process.exitCode = GOES_ON;
}

async function reach(setup) {
  return stages[setup.stage](setup);
}

async function main() {
  const [stage, ending, aio, home, image] = process.argv.slice(2);
  const setup = { stage, ending, aio, home, image, endless: !ending.endsWith('falls off') };
  if (ending in workerEndings) await endInWorker(setup);
  else endings[ending](await reach(setup));
}

async function worker() {
  const check = await reach(workerData);
  if (workerData.ending === 'worker exits') process.exit(7);
  if (workerData.ending === 'worker falls off') fallOff(check);
  parentPort.postMessage('there');
}

void (isMainThread ? main() : worker());
