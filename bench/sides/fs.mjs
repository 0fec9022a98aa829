// Node's own reads: FileHandle.read of fs.promises, fs.read or fs.readSync, into plain Buffers.
import { closeSync, openSync, read, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { report, settings } from '../lib/child.mjs';
import { makeLoad, measureLoad } from '../lib/load-loop.mjs';
import { randomOffsets } from '../lib/offsets.mjs';

const load = settings();
const { image, api, blockSize, bytes } = load;

const file = api === 'promise' ? await open(image, 'r') : undefined;
const fd = file?.fd ?? openSync(image, 'r');

const REQUESTS = {
  promise: (buffer, offset) => file.read(buffer, 0, buffer.length, offset),
  callback: (buffer, offset, done) => read(fd, buffer, 0, buffer.length, offset, done),
  sync: (buffer, offset) => readSync(fd, buffer, 0, buffer.length, offset),
};

const nextOffset = randomOffsets(Math.floor(bytes / blockSize), blockSize);
const result = await measureLoad(
  makeLoad(
    { ...load, nextOffset },
    () => Buffer.alloc(blockSize),
    () => REQUESTS[api],
  ),
  load,
);
if (file === undefined) closeSync(fd);
else await file.close();
report({ ...result, bytes: result.requests * blockSize });
