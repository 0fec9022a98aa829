// What QEMU's queries do not tell.

import { queryBlockActivity } from '../../monitor/query-activity.js';
import { command } from '../command.js';
import { array, object, optional, str, uint64 } from '../schema/type.js';

const activity = object('BlockActivity', {
  device: str,
  qdev: optional(str),
  'in-flight': uint64,
  parked: uint64,
  throttled: uint64,
  'throttled-ns': uint64,
});

export const activityCommands = [
  command(
    'x-query-block-activity',
    {},
    {
      doc: 'What each drive does right now: requests in flight, parked, and waiting for limits. Not in QEMU.',
      returns: array(activity),
      run: queryBlockActivity,
    },
  ),
];
