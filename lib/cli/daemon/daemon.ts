// What a daemon is made of, in the order of its command line (storage-daemon/qemu-storage-daemon.c).

import {
  BlockBackend,
  BlockError,
  blockdevAdd,
  flushAll,
  nbdServerStop,
  objectAdd,
  QmpServer,
} from '../../index.js';
import { addDrive } from '../../monitor/drive-options.js';
import {
  addBlockExport,
  blockExportOptions,
  nbdServerOptions,
  startNbdServer,
} from '../../qmp/commands/block-export.js';
import { objectOptions } from '../../qmp/commands/objects.js';
import { parseOptionText } from '../../qmp/option-text.js';
import { blockdevOptions } from '../../qmp/schema/blockdev.js';
import { bool, enumeration, object, optional, str } from '../../qmp/schema/type.js';
import { CliError, usageError } from '../shared/cli-error.js';
import { type Chardev, parseChardev } from './chardev.js';

/** One option of the command line that makes something. */
export interface Action {
  readonly option:
    | 'blockdev'
    | 'object'
    | 'chardev'
    | 'monitor'
    | 'drive'
    | 'export'
    | 'nbd-server';
  readonly text: string;
}

const monitorOptions = object('MonitorOptions', {
  id: optional(str),
  chardev: str,
  mode: optional(enumeration('MonitorMode', ['control'])),
  pretty: optional(bool),
});

/** Where none runs, nothing is to be done. */
async function stopNbdServer(): Promise<void> {
  try {
    await nbdServerStop();
  } catch (error) {
    if (!(error instanceof BlockError && error.code === 'EINVAL')) throw error;
  }
}

export class Daemon {
  readonly #qmp: QmpServer;
  readonly #chardevs = new Map<string, Chardev>();
  #closed = false;

  /** @param quit somebody has sent the command. */
  constructor(quit: () => void) {
    this.#qmp = new QmpServer({ onQuit: quit });
  }

  /** @throws (rejects) CliError that names the option; what was made before stays until close(). */
  async start(actions: readonly Action[]): Promise<void> {
    for (const { option, text } of actions) {
      if (this.#closed) return;
      try {
        await this.#do(option, text);
      } catch (error) {
        if (error instanceof CliError) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        throw new CliError(`--${option} ${text}: ${reason}`);
      }
    }
  }

  /** Ends clients and sockets, waits for all requests, flushes, and closes every image. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#qmp.close();
    await stopNbdServer();
    try {
      await flushAll();
    } finally {
      await BlockBackend.closeAll();
    }
  }

  async #do(option: Action['option'], text: string): Promise<void> {
    switch (option) {
      case 'blockdev':
        await blockdevAdd(parseOptionText(text, blockdevOptions, 'driver'));
        return;
      case 'object':
        objectAdd(parseOptionText(text, objectOptions, 'qom-type'));
        return;
      case 'chardev':
        this.#addChardev(parseChardev(text));
        return;
      case 'monitor':
        await this.#monitor(text);
        return;
      case 'drive':
        await addDrive(text);
        return;
      case 'nbd-server':
        await startNbdServer(parseOptionText(text, nbdServerOptions));
        return;
      case 'export':
        await addBlockExport(parseOptionText(text, blockExportOptions, 'type'));
    }
  }

  #addChardev(chardev: Chardev): void {
    if (this.#chardevs.has(chardev.id)) throw usageError(`there are two chardevs '${chardev.id}'`);
    this.#chardevs.set(chardev.id, chardev);
  }

  async #monitor(text: string): Promise<void> {
    const { chardev: id, pretty } = parseOptionText(text, monitorOptions, 'chardev');
    const chardev = this.#chardevs.get(id);
    if (chardev === undefined) throw usageError(`--monitor ${text}: there is no chardev '${id}'`);
    await chardev.attach(this.#qmp, { pretty });
  }
}
