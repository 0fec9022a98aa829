// One disk, served over NBD until it is told to end.

import { statSync } from 'node:fs';
import {
  AioContext,
  BlockBackend,
  type NbdAddress,
  type NbdExport,
  NbdServer,
  type NbdTlsSettings,
} from '../../index.js';

export interface ServedDiskSettings {
  readonly address: NbdAddress;
  /** '' is the one that clients get who ask for none. */
  readonly exportName: string;
  readonly description?: string | undefined;
  readonly writable: boolean;
  /** Every write is durable before it is answered. */
  readonly writethrough: boolean;
  /** Clients at a time; 0: no limit. */
  readonly clients: number;
  readonly allocationDepth?: boolean | undefined;
  readonly bitmaps?: readonly string[] | undefined;
  readonly tls?: NbdTlsSettings | undefined;
}

type OpenOptions = Exclude<Parameters<typeof BlockBackend.open>[0], string>;

export class ServedDisk implements AsyncDisposable {
  readonly #context: AioContext;
  readonly #blk: BlockBackend;
  readonly server: NbdServer;
  readonly item: NbdExport;
  readonly uri: string;

  private constructor(
    context: AioContext,
    blk: BlockBackend,
    server: NbdServer,
    item: NbdExport,
    uri: string,
  ) {
    this.#context = context;
    this.#blk = blk;
    this.server = server;
    this.item = item;
    this.uri = uri;
  }

  /** @throws (rejects) BlockError; then nothing is left open. */
  static async start(options: OpenOptions, settings: ServedDiskSettings): Promise<ServedDisk> {
    // A thread that does nothing else: it sleeps in its engine, and not in a loop above it, and may wait
    // for the disk.
    const context = new AioContext({ home: 'iothread', name: 'blk-serve', 'write-in-place': true });
    try {
      return await ServedDisk.#start(context, options, settings);
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  static async #start(
    context: AioContext,
    options: OpenOptions,
    settings: ServedDiskSettings,
  ): Promise<ServedDisk> {
    const { exportName, address, clients, writable, writethrough, description } = settings;
    // It holds the node and nothing else; the export has a backend of its own.
    const blk = await BlockBackend.open(options, { context, permissions: [] });
    try {
      const disk = {
        id: 'disk',
        'node-name': blk.root?.name ?? '',
        name: exportName,
        description,
        writable,
        writethrough,
        'allocation-depth': settings.allocationDepth,
        bitmaps: settings.bitmaps,
      };
      // A socket that was handed over has clients already.
      const server = await NbdServer.listen(address, {
        maxConnections: clients,
        tls: settings.tls,
        exports: [disk],
      });
      const [item] = server.exports as [NbdExport];
      return new ServedDisk(context, blk, server, item, server.uri(exportName));
    } catch (error) {
      await blk.close();
      throw error;
    }
  }

  /** Disconnects the clients; what they wrote is flushed when the disk closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.#blk.close();
    await this.#context.close();
  }
}

/** Devices need another driver than files. */
export function isDevice(path: string): boolean {
  try {
    const stat = statSync(path);
    return stat.isBlockDevice() || stat.isCharacterDevice();
  } catch {
    // Opening it will say what is wrong.
    return false;
  }
}
