// What the core of a disk leads to, and does not need to open a disk, to read from it and to write to
// it: words for what failed, changes of a graph that stands, and drivers that few disks have.

const later = new Set(
  [
    'accounting/block-stats',
    'addon/explain',
    'addon/locate',
    'aio/host-features',
    'backend/block-sizes',
    'backend/block-status',
    'backend/copy-target',
    'backend/sg-io',
    'drivers/blkdebug',
    'drivers/blklogwrites',
    'drivers/blkverify',
    'drivers/copy-on-read',
    'drivers/foreign-formats',
    'drivers/host-device',
    'drivers/null',
    'drivers/throttle',
    'drivers/x-probe',
    'errors/argument-errors',
    'errors/block-error',
    'errors/errno-names',
    'errors/native-failure',
    'errors/native-warning',
    'graph/context-move',
    'graph/dirty-bitmaps',
    'graph/filename',
    'graph/iteration',
    'graph/lookup',
    'graph/meeting',
    'graph/migration',
    'graph/node-filename',
    'graph/surgery',
    'monitor/quiesce-machine',
    'throttle/throttle-group',
    'throttle/throttle-info',
  ].map((stem) => `${stem}.js`),
);

export const isLater = (file) => later.has(file);

/** All of them, of which `modules` must have each. */
export function laterModules(modules) {
  const missing = [...later].filter((file) => !modules.has(file));
  if (missing.length > 0) throw new Error(`scripts/lib/later.mjs: no module ${missing.join(', ')}`);
  return later;
}
