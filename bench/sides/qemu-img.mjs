// qemu-img bench -t writeback. It has no random mode: every request lies one step after the last,
// modulo the image. A step of a prime number of blocks (0.4 of 1 GiB) visits every block of the image
// once before any twice, never neighbours in a row: as far from sequential as random offsets are, and
// without the cost of drawing them.
import { cpuPerRequest, report, settings, timed } from '../lib/child.mjs';

const STEP_BLOCKS = 104_729;
const CALIBRATION = 50_000;

const { image, driver, bytes, depth, seconds, blockSize, aio } = settings();

const disk =
  driver === 'null-co'
    ? ['--image-opts', `driver=null-co,size=${bytes}`]
    : ['-f', 'raw', '-i', aio ?? 'io_uring', '-t', 'writeback', image];

async function run(requests) {
  const { stdout, ...cpu } = await timed('qemu-img', [
    'bench',
    ...['-c', String(requests), '-d', String(depth)],
    ...['-s', String(blockSize), '-S', String(STEP_BLOCKS * blockSize)],
    ...disk,
  ]);
  const [, elapsed] = /completed in ([\d.]+) seconds/.exec(stdout) ?? [];
  if (elapsed === undefined) throw new Error(`qemu-img bench said: ${stdout}`);
  return { seconds: Number(elapsed), ...cpu };
}

const first = await run(CALIBRATION);
const requests = Math.max(2 * CALIBRATION, Math.round((CALIBRATION / first.seconds) * seconds));
const result = await run(requests);
const iops = requests / result.seconds;
report({
  iops,
  bytes: requests * blockSize,
  requests,
  // Of those that it had more than the first time: what it takes to start is left out.
  ...cpuPerRequest(result, first, requests - CALIBRATION),
  latency_us: (depth / iops) * 1e6,
});
