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

/** The drivers of this package. */
export const builtinDrivers: readonly DriverDefinition[] = [
  file,
  hostDevice,
  raw,
  nullCo,
  nullAio,
  blkdebugDriver,
  blkverify,
  blklogwrites,
  copyOnRead,
  throttle,
  xProbe,
];
