// Node's own FileHandle.read.
import { open } from 'node:fs/promises';
import { report, settings } from '../lib/child.mjs';
import { readsPerSecond } from '../lib/read-loop.mjs';

const load = settings();
const file = await open(load.image, 'r');
const iops = await readsPerSecond(
  load,
  (bytes) => Buffer.alloc(bytes),
  (buffer, offset) => file.read(buffer, 0, buffer.length, offset),
);
await file.close();
report({ iops });
