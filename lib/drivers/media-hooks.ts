// What guests do with tray and lock, on its way to the driver of the medium.

import type { DriverDefinition } from '../graph/driver-definition.js';

/** Of a driver whose medium is its file's. */
export const fileMediaHooks: Pick<DriverDefinition, 'eject' | 'lockMedium'> = {
  eject(node, open) {
    const file = node.storage?.child;
    file?.driver.eject?.(file, open);
  },
  lockMedium(node, locked) {
    const file = node.storage?.child;
    file?.driver.lockMedium?.(file, locked);
  },
};
