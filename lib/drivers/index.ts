import type { DriverDefinition } from '../graph/driver-definition.js';
import { blkdebugDriver } from './blkdebug.js';
import { blklogwrites } from './blklogwrites.js';
import { blkverify } from './blkverify.js';
import { copyOnRead } from './copy-on-read.js';
import { file } from './file.js';
import { hostDevice } from './host-device.js';
import { nullAio, nullCo } from './null.js';
import { raw } from './raw.js';
import { throttle } from './throttle.js';
import { xProbe } from './x-probe.js';

/** The drivers of this package by their names, so that only those that are used are loaded. */
export const builtinDrivers: Readonly<Record<string, () => DriverDefinition>> = {
  file: () => file,
  host_device: () => hostDevice,
  raw: () => raw,
  'null-co': () => nullCo,
  'null-aio': () => nullAio,
  blkdebug: () => blkdebugDriver,
  blkverify: () => blkverify,
  blklogwrites: () => blklogwrites,
  'copy-on-read': () => copyOnRead,
  throttle: () => throttle,
  'x-probe': () => xProbe,
};
