// Every command that is built in: the one table from which come the checks, the types, the answer of
// query-qmp-schema and the documentation.

import type { Command } from '../command.js';
import { activityCommands } from './activity.js';
import { blockExportCommands } from './block-export.js';
import { blockdevCommands } from './blockdev.js';
import { dirtyBitmapCommands } from './dirty-bitmap.js';
import { humanMonitorCommands } from './human-monitor.js';
import { machineCommands } from './machine.js';
import { mediaCommands } from './media.js';
import { objectCommands } from './objects.js';
import { queryCommands } from './query.js';
import { sessionCommands } from './session.js';
import { throttleCommands } from './throttle.js';

export const builtinCommands: readonly Command[] = [
  ...sessionCommands,
  ...blockdevCommands,
  ...mediaCommands,
  ...throttleCommands,
  ...dirtyBitmapCommands,
  ...machineCommands,
  ...blockExportCommands,
  ...objectCommands,
  ...humanMonitorCommands,
  ...queryCommands,
  ...activityCommands,
];
