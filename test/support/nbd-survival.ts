// A server that must outlive its clients: whatever they do, the next one is served, and nothing of
// them is left.
import type { AioContext, NbdExport, NbdServer, NbdServerSettings } from '../../lib/index.js';
import { image } from './images.js';
import { kernelLocks } from './locks.js';
import { served } from './nbd.js';
import { Command, NbdClient } from './nbd-client.js';
import { until } from './waiting.js';

export const DISK = 1 << 20;
export const BLOCK = 4096;

export interface Survivor {
  readonly server: NbdServer;
  readonly item: NbdExport;
  readonly filename: string;
}

export interface SurvivalOptions {
  readonly settings?: NbdServerSettings;
  /** Where the export is. */
  readonly context?: AioContext;
}

/** The client that comes after the others writes, and reads what it has written. */
export async function nextIsServed({ server, item }: Survivor): Promise<void> {
  const next = await NbdClient.ready(server.address, item.name);
  const data = Buffer.alloc(BLOCK, 0x6e);
  const offset = DISK - BLOCK;
  expect((await next.request({ command: Command.write, offset, data })).error).toBe(0);
  const read = await next.request({ command: Command.read, offset, length: BLOCK });
  expect([read.error, read.data.equals(data)]).toEqual([0, true]);
  await next.disconnect();
}

/** Nobody is connected any more, and the backend has nothing to do. */
export async function nothingIsLeft({ server, item }: Survivor): Promise<void> {
  await until(() => server.connections === 0 && item.clients === 0);
  expect([item.backend.inFlight, item.backend.parked]).toEqual([0, 0]);
}

/** Runs `body` against a server with a writable disk, which must survive it. */
export async function survives(
  body: (survivor: Survivor) => Promise<void>,
  { settings, context }: SurvivalOptions = {},
): Promise<void> {
  const filename = image(DISK);
  const where = context === undefined ? {} : { iothread: context };
  await served(
    filename,
    async ({ server, item }) => {
      const survivor = { server, item, filename };
      await body(survivor);
      await nextIsServed(survivor);
      await nothingIsLeft(survivor);
    },
    where,
    settings,
  );
  expect(kernelLocks(filename)).toEqual([]);
}
