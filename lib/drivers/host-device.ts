import type { DriverDefinition } from '../graph/driver-definition.js';
import { withoutPrefix } from '../graph/filename.js';
import { checkAio, fileOptions, fileReopens } from './file.js';

/** A block or character device (block/file-posix.c: bdrv_host_device). */
export const hostDevice: DriverDefinition = {
  name: 'host_device',
  options: fileOptions,
  passes: ['cache.direct', 'auto-read-only'],
  reopens: fileReopens,
  autoReadOnly: true,
  describesImage: true,
  protocol: (filename) => ({ filename: withoutPrefix(filename, 'host_device') }),
  children: [],
  check: checkAio,
};
