// Requests by hand on the disks of a machine (HMP: qemu-io).

import { BlockBackend } from '../../block-backend.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { graph } from '../../graph/graph.js';
import { runQemuIoCommand } from '../../qemu-io/qemu-io.js';
import type { HumanCommand } from './human-command.js';

/** What the command prints, which QEMU sends to its own standard output instead. */
async function printed(blk: BlockBackend, line: string): Promise<string> {
  const lines: string[] = [];
  const add = (text: string): void => {
    lines.push(`${text}\n`);
  };
  await runQemuIoCommand(blk, line, { out: add, err: add });
  return lines.join('');
}

/** On a node it is a user of its own, for the time of the command. */
async function onNode(name: string, line: string): Promise<string> {
  if (graph().names.node(name) === undefined) {
    const text = `cannot find a device or a node '${name}'`;
    throw new BlockError(Errno.ENOENT, { operation: 'qemu-io', text });
  }
  await using blk = await BlockBackend.open(name, { permissions: [] });
  return await printed(blk, line);
}

export const qemuIoCommands: readonly HumanCommand[] = [
  {
    name: 'qemu-io',
    parameters: ['[-d]', 'device', 'command'],
    doc: 'a command of qemu-io on a drive or a node; with -d on the drive of a device',
    run({ flags, words: [device = '', line = ''] }) {
      if (flags.has('d')) return printed(BlockBackend.byDeviceId(device), line);
      const blk = BlockBackend.byName(device);
      return blk === undefined ? onNode(device, line) : printed(blk, line);
    },
  },
];
