// What `blk serve` does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tlsSettingsIn } from '../../exports/tls-credentials.js';
import type { NbdAddress } from '../../index.js';
import { Ending } from '../daemon/ending.js';
import { bytes, count, mibPerSecond } from '../shared/format.js';
import { imageOptions } from '../shared/image.js';
import { ServedDisk } from './served-disk.js';
import { activatedSocket } from './socket-activation.js';

export interface ServeOptions {
  readonly socket?: string;
  readonly port?: number;
  readonly bind: string;
  readonly name: string;
  readonly writable?: boolean;
  readonly direct?: boolean;
  readonly tls?: string;
}

const STATUS_MS = 1000;

/** A place for a socket of this process alone, when nobody says where. */
class SocketFolder implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'blk-serve-'));
  readonly path = join(this.#folder, 'nbd.sock');

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One line of what goes on, again and again, on a terminal; nothing elsewhere. */
async function showStatus({ item }: ServedDisk, signal: AbortSignal): Promise<void> {
  if (!process.stderr.isTTY) return;
  let before = item.backend.stats;
  while (!signal.aborted) {
    await delay(STATUS_MS, undefined, { signal }).catch(() => {});
    const { stats } = item.backend;
    const requests = (of: typeof stats): number => of.rd_operations + of.wr_operations;
    const moved = (of: typeof stats): number => of.rd_bytes + of.wr_bytes;
    const line = [
      `${item.clients} clients`,
      `${count(requests(stats) - requests(before))} requests/s`,
      `${mibPerSecond(moved(stats) - moved(before))} MiB/s`,
    ].join(', ');
    process.stderr.write(`\r${line}\u001b[K`);
    before = stats;
  }
  process.stderr.write('\n');
}

export async function runServe(image: string, options: ServeOptions): Promise<void> {
  const { socket, port, bind, name, writable = false, direct, tls } = options;
  const ending = new Ending();
  using folder = new SocketFolder();
  const chosen: NbdAddress =
    port === undefined
      ? { type: 'unix', path: socket === undefined ? folder.path : resolve(socket) }
      : { type: 'inet', host: bind, port };
  const activated = activatedSocket();
  const address = activated ?? chosen;
  await using served = await ServedDisk.start(
    imageOptions(image, { readOnly: !writable, direct }),
    {
      address,
      exportName: name,
      writable,
      writethrough: false,
      clients: 0,
      tls: tls === undefined ? undefined : tlsSettingsIn(tls),
    },
  );
  const { size } = served.item.info();
  // Whoever handed the socket over knows where it is.
  if (activated === undefined) process.stdout.write(`${served.uri}\n`);
  process.stderr.write(
    `blk: serving ${image}, ${bytes(size)}, ${writable ? 'writable' : 'read-only'}; Ctrl-C ends it\n`,
  );
  const over = new AbortController();
  const status = showStatus(served, over.signal);
  await ending.reached;
  over.abort();
  await status;
}
