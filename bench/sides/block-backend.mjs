// This package: raw -> file, promises, pool memory, on Node's own loop.
import { BlockBackend } from 'block-backend';
import { report, settings } from '../lib/child.mjs';
import { readsPerSecond } from '../lib/read-loop.mjs';

const load = settings();
const blk = await BlockBackend.open({
  driver: 'raw',
  'read-only': true,
  file: { driver: 'file', filename: load.image },
});
const iops = await readsPerSecond(
  load,
  (bytes) => blk.allocate(bytes),
  (buffer, offset) => blk.pread(offset, buffer),
);
const { engine } = blk.context.info();
await blk.close();
report({ iops, engine });
