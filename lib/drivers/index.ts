import type { DriverDefinition } from '../graph/driver-definition.js';
import { file } from './file.js';
import { hostDevice } from './host-device.js';
import { nullAio, nullCo } from './null.js';
import { raw } from './raw.js';

/** The drivers of this package. */
export const builtinDrivers: readonly DriverDefinition[] = [file, hostDevice, raw, nullCo, nullAio];
