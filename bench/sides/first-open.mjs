// From require() to the first backend, in a process that has loaded nothing of the package before.
import { createRequire } from 'node:module';
import { report, settings } from '../lib/child.mjs';

const { image } = settings();
const require = createRequire(import.meta.url);

const start = performance.now();
const { BlockBackend } = require('block-backend');
const required = performance.now();
const blk = await BlockBackend.open({
  driver: 'raw',
  'read-only': true,
  file: { driver: 'file', filename: image },
});
const opened = performance.now();
await blk.close();
report({ ms: opened - start, require_ms: required - start, open_ms: opened - required });
