// Disks of this package as the sides use them: a backend, and below it raw over file, or null-co.
import { AioContext, BlockBackend } from 'block-backend';

function optionsOf({ driver = 'file', image, bytes, write = false, direct = false }) {
  if (driver === 'null-co') return { driver, size: bytes };
  return {
    driver: 'raw',
    'read-only': !write,
    file: { driver: 'file', filename: image, cache: { direct } },
  };
}

/** Node's own loop with the engine that the host allows, unless the settings want another. */
export function contextOf({ home = 'node', aio = 'auto' }) {
  if (home === 'node' && aio === 'auto') return AioContext.main;
  return new AioContext({ home, aio });
}

/** Its requests are accounted. */
export const openDisk = (settings, context) =>
  BlockBackend.open(optionsOf(settings), { context, accountRequests: true });

/** One after the other: changes of graphs happen one at a time anyway. */
export async function openDisks(settings, context, count) {
  const disks = [];
  while (disks.length < count) disks.push(await openDisk(settings, context));
  return disks;
}
