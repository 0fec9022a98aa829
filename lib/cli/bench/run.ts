import type { AioContext } from '../../aio/context.js';
import { runNativeLoad } from '../../exports/load.js';
import { BlockBackend } from '../../index.js';
import { CliError, ExitCode, type ExitCodeNumber } from '../shared/cli-error.js';
import { DiskLatency } from '../shared/disk-latency.js';
import { engineReport, withContext } from '../shared/engine.js';
import { count } from '../shared/format.js';
import { imageOptions } from '../shared/image.js';
import { startProgress } from '../shared/progress.js';
import { callbackLoad } from './callback-load.js';
import { makeLanes } from './lanes.js';
import { Load, type LoadResult } from './load.js';
import { type BenchOptions, checkConsent, isRandom, writes } from './options.js';
import { promiseLoad } from './promise-load.js';
import { type BenchReport, benchReport, benchText } from './report.js';

async function nativeLoad(blk: BlockBackend, options: BenchOptions): Promise<LoadResult> {
  const { rw, bs, iodepth, runtime, seed } = options;
  const mixed = rw === 'randrw';
  return runNativeLoad(blk, {
    operation: mixed ? 'readwrite' : writes(rw) ? 'write' : 'read',
    random: isRandom(rw),
    blockSize: bs,
    depth: iodepth,
    runtimeNs: Math.round(runtime * 1e9),
    seed,
  });
}

async function scriptLoad(
  blk: BlockBackend,
  options: BenchOptions,
  load: Load,
): Promise<LoadResult> {
  const lanes = makeLanes(blk, options);
  const run = options.api === 'callback' ? callbackLoad : promiseLoad;
  await run(blk, load, lanes);
  return load.result();
}

/** Runs the load under a progress display. */
async function measure(
  blk: BlockBackend,
  options: BenchOptions,
  blocks: number,
): Promise<LoadResult> {
  const start = performance.now();
  const load = options.api === 'native' ? undefined : new Load(options, blocks);
  const progress = startProgress({
    label: options.rw,
    fraction: () => (performance.now() - start) / (options.runtime * 1000),
    detail: () => (load === undefined ? 'native' : `${count(load.requests)} requests`),
  });
  try {
    return await (load === undefined ? nativeLoad(blk, options) : scriptLoad(blk, options, load));
  } finally {
    progress.end();
  }
}

async function runOn(
  image: string,
  options: BenchOptions,
  context: AioContext,
): Promise<BenchReport> {
  const { rw, bs, size, direct } = options;
  const disk = imageOptions(image, { readOnly: !writes(rw), direct, size });
  await using blk = await BlockBackend.open(disk, {
    name: 'drive0',
    context,
    accountRequests: true,
  });
  const blocks = Math.floor((await blk.getLength()) / bs);
  if (blocks === 0) throw new CliError(`the image is smaller than one request of ${bs} bytes`);
  const diskLatency = new DiskLatency(blk);
  const cpuBefore = process.cpuUsage();
  const load = await measure(blk, options, blocks);
  const { user, system } = process.cpuUsage(cpuBefore);
  const engine = engineReport(context);
  return benchReport({
    image,
    options,
    size: blocks * bs,
    engine,
    load,
    diskLatency: diskLatency.average(),
    cpuUs: user + system,
  });
}

/** `blk bench`: returns the exit code. */
export async function runBench(image: string, options: BenchOptions): Promise<ExitCodeNumber> {
  checkConsent(image, options);
  const report = await withContext(options, (context) => runOn(image, options, context));
  const text = options.json ? JSON.stringify(report, undefined, 2) : benchText(report);
  process.stdout.write(`${text}\n`);
  return ExitCode.ok;
}
