// This package on a disk without bytes, plain or as a guest's: with accounting, and with limits so
// high that nothing ever waits.
import { BlockBackend } from 'block-backend';
import { report, settings } from '../lib/child.mjs';
import { readsPerSecond } from '../lib/read-loop.mjs';

const { limited, accounted, ...load } = settings();
const blk = await BlockBackend.open(
  { driver: 'null-co', size: 1024 ** 3 },
  { accountRequests: accounted },
);
if (limited) {
  blk.ioLimitsEnable('limits');
  blk.setIoLimits({ 'bps-total': 1e15, 'iops-total': 1e15 });
}
const iops = await readsPerSecond(
  load,
  (bytes) => blk.allocate(bytes),
  (buffer, offset) => blk.pread(offset, buffer),
);
const { rd_operations: operations } = blk.stats;
const { throttled } = blk.throttleInfo().read;
if (throttled > 0 || operations > 0 !== accounted) {
  throw new Error(`${throttled} requests were throttled, ${operations} accounted`);
}
await blk.close();
report({ iops });
