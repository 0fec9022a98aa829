// One disk, served over NBD until it is told to end.

import { statSync } from 'node:fs';
import {
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
  readonly #blk: BlockBackend;
  readonly server: NbdServer;
  readonly item: NbdExport;
  readonly uri: string;

  private constructor(blk: BlockBackend, server: NbdServer, item: NbdExport, uri: string) {
    this.#blk = blk;
    this.server = server;
    this.item = item;
    this.uri = uri;
  }

  /** @throws (rejects) BlockError; then nothing is left open. */
  static async start(options: OpenOptions, settings: ServedDiskSettings): Promise<ServedDisk> {
    const { exportName, address, clients, writable, writethrough, description } = settings;
    // It holds the node and nothing else; the export has a backend of its own.
    const blk = await BlockBackend.open(options, { permissions: [] });
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
      return new ServedDisk(blk, server, server.exports[0] as NbdExport, server.uri(exportName));
    } catch (error) {
      await blk.close();
      throw error;
    }
  }

  /** Disconnects the clients; what they wrote is flushed when the disk closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.#blk.close();
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
