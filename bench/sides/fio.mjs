// fio's io_uring engine with fixed buffers and registered files; `batch` also lets it submit and
// complete up to so many requests at once, which it does not by itself.
import { cpuPerRequest, report, settings, timed } from '../lib/child.mjs';

const { image, depth, seconds, blockSize, write, sequential, direct, batch } = settings();

const kind = `${sequential ? '' : 'rand'}${write ? 'write' : 'read'}`;

const options = {
  name: 'bench',
  filename: image,
  ioengine: 'io_uring',
  fixedbufs: 1,
  registerfiles: 1,
  rw: kind,
  bs: blockSize,
  iodepth: depth,
  direct: direct ? 1 : 0,
  // What nobody else does either: remember which blocks were read, take the time of each request.
  norandommap: 1,
  gtod_reduce: 1,
  // It would drop the file from the page cache first.
  invalidate: 0,
  allow_file_create: 0,
  'output-format': 'json',
  ...(batch === undefined
    ? {}
    : {
        iodepth_batch_submit: batch,
        iodepth_batch_complete_min: 1,
        iodepth_batch_complete_max: batch,
      }),
};

async function run(more) {
  const args = Object.entries({ ...options, ...more }).map(([name, value]) => `--${name}=${value}`);
  const { stdout, ...cpu } = await timed('fio', args);
  // Warnings come first.
  const [job] = JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs;
  if (job.error !== 0) throw new Error(`fio: error ${job.error}`);
  return { ...job[write ? 'write' : 'read'], ...cpu };
}

// What it takes to start, so that it can be left out.
const start = await run({ number_ios: 1 });
const result = await run({ time_based: 1, runtime: `${Math.round(seconds * 1000)}ms` });
const { iops, total_ios: requests, io_bytes: bytes } = result;
report({
  iops,
  bytes,
  requests,
  ...cpuPerRequest(result, start, requests),
  latency_us: (depth / iops) * 1e6,
});
