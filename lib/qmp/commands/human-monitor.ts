// Lines of the human monitor, for what has no command of its own.

import { humanMonitorCommand } from '../../monitor/hmp/human-monitor.js';
import { command } from '../command.js';
import { int64, optional, str } from '../schema/type.js';

export const humanMonitorCommands = [
  command(
    'human-monitor-command',
    { 'command-line': str, 'cpu-index': optional(int64) },
    {
      doc: 'Carries out a line of the human monitor, and gives what it prints; `help` names the lines.',
      returns: str,
      run: async ({ 'command-line': line }) =>
        (await humanMonitorCommand(line)).replaceAll('\n', '\r\n'),
    },
  ),
];
