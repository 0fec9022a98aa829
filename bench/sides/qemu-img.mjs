// qemu-img bench -i io_uring -t writeback. It has no random mode: every request lies one step after
// the last, modulo the image. A step of a prime number of blocks (0.4 of 1 GiB) visits every block
// of the image once before any twice, never neighbours in a row: as far from sequential as random
// offsets are, and without the cost of drawing them.
import { execute, report, settings } from '../lib/child.mjs';
import { BLOCK } from '../lib/read-loop.mjs';

const STEP_BLOCKS = 104_729;
const CALIBRATION = 50_000;

const { image, depth, seconds } = settings();

async function secondsFor(requests) {
  const { stdout } = await execute('qemu-img', [
    'bench',
    ...['-f', 'raw', '-i', 'io_uring', '-t', 'writeback'],
    ...['-c', String(requests), '-d', String(depth)],
    ...['-s', String(BLOCK), '-S', String(STEP_BLOCKS * BLOCK)],
    image,
  ]);
  const [, elapsed] = /completed in ([\d.]+) seconds/.exec(stdout) ?? [];
  if (elapsed === undefined) throw new Error(`qemu-img bench said: ${stdout}`);
  return Number(elapsed);
}

const perSecond = CALIBRATION / (await secondsFor(CALIBRATION));
const requests = Math.round(perSecond * seconds);
report({ iops: requests / (await secondsFor(requests)) });
