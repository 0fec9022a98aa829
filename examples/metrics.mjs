// A disk with limits, whose statistics Prometheus can fetch:
//
//   node examples/metrics.mjs disk.img [port]
//   curl http://127.0.0.1:9187/metrics
//
// Two readers ask for more than the limits allow, as a busy guest would. Ctrl-C ends it.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BlockBackend,
  blockLatencyHistogramSet,
  blockSetIoThrottle,
  METRICS_CONTENT_TYPE,
  metrics,
} from 'block-backend';

const [filename, port = '9187'] = process.argv.slice(2);
if (filename === undefined) {
  console.error('usage: node examples/metrics.mjs IMAGE [PORT]');
  process.exit(2);
}

const blk = await BlockBackend.open(
  { driver: 'raw', 'read-only': true, file: { driver: 'file', filename } },
  { name: 'drive0', accountRequests: true, 'stats-intervals': [60] },
);
// The device model that would use the disk; statistics know it by its id.
blk.attachDevice({}, 'virtio-disk0');
blockLatencyHistogramSet({ id: 'virtio-disk0', boundaries: [100_000, 1_000_000, 10_000_000] });
await blockSetIoThrottle({
  id: 'virtio-disk0',
  group: 'tenant1',
  bps: 10 * 1024 ** 2, // bytes per second
  bps_rd: 0, // 0: no limit
  bps_wr: 0,
  iops: 200,
  iops_rd: 0,
  iops_wr: 0,
});

const stopping = new AbortController();

async function reader() {
  const buffer = blk.allocate(4096);
  const blocks = Math.floor((await blk.getLength()) / buffer.length);
  while (!stopping.signal.aborted) {
    await blk.pread(Math.floor(Math.random() * blocks) * buffer.length, buffer);
    // A guest that got what it wanted has something to do with it.
    await sleep(1);
  }
}

async function answer({ method, url }, response) {
  const isKnown = method === 'GET' && url === '/metrics';
  const text = isKnown ? await metrics() : 'see /metrics\n';
  response.writeHead(isKnown ? 200 : 404, { 'content-type': METRICS_CONTENT_TYPE }).end(text);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.writeHead(500).end(`${error.message}\n`);
  });
});

// Statistics name disks and tenants: nobody beyond this host need see them.
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/metrics`);
});

function stop() {
  stopping.abort();
  server.close();
  server.closeAllConnections();
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

await Promise.all([reader(), reader()]);
await blk.close();
