// The machine, as far as disks care.

import { cont, queryStatus, stop } from '../../monitor/run.js';
import { command } from '../command.js';
import { bool, object, str } from '../schema/type.js';

export const machineCommands = [
  command(
    'stop',
    {},
    { doc: 'Stops the machine; then all disks are drained and flushed.', run: stop },
  ),
  command(
    'cont',
    {},
    { doc: 'Lets the machine go on; I/O errors of drives are forgotten.', run: cont },
  ),
  command(
    'query-status',
    {},
    {
      doc: 'Whether the machine runs.',
      returns: object('StatusInfo', { running: bool, singlestep: bool, status: str }),
      // No machine here goes step by step.
      run: () => ({ ...queryStatus(), singlestep: false }),
    },
  ),
];
