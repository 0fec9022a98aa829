// Lines about the machine.

import { cont, queryStatus, stop } from '../run.js';
import type { HumanCommand } from './human-command.js';

export const machineCommands: readonly HumanCommand[] = [
  {
    name: 'info status',
    parameters: [],
    doc: 'whether the machine runs',
    run() {
      const { running, status } = queryStatus();
      const why = running || status === 'paused' ? '' : ` (${status})`;
      return `VM status: ${running ? 'running' : 'paused'}${why}\n`;
    },
  },
  {
    name: 'stop',
    alias: 's',
    parameters: [],
    doc: 'stop the machine',
    async run() {
      await stop();
      return '';
    },
  },
  {
    name: 'cont',
    alias: 'c',
    parameters: [],
    doc: 'let the machine go on',
    async run() {
      await cont();
      return '';
    },
  },
];
