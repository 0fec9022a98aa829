import type { DriverDefinition } from '../graph/driver-definition.js';
import { checkAio, fileOptions } from './file.js';

/** A block or character device (block/file-posix.c: bdrv_host_device). */
export const hostDevice: DriverDefinition = {
  name: 'host_device',
  options: fileOptions,
  passes: ['cache.direct'],
  children: [],
  check: checkAio,
};
