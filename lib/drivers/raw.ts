import { ChildRole, Permission } from '../aio/protocol.js';
import type { DriverDefinition, DriverOptions } from '../graph/driver-definition.js';
import { defaultGrant } from '../graph/permissions.js';

const STORAGE = ChildRole.data | ChildRole.primary;
const FILTER = ChildRole.filtered | ChildRole.primary;
const GROWING = Permission.write | Permission.resize;

/** A window on its file; without one it only passes requests on. */
function isWindowed(options: DriverOptions): boolean {
  return options.offset !== 0 || options.size !== undefined;
}

function fileRole(options: DriverOptions): number {
  return isWindowed(options) ? STORAGE : FILTER;
}

/** A raw image, or a window of `size` bytes at `offset` (block/raw-format.c). */
export const raw: DriverDefinition = {
  name: 'raw',
  options: [
    { name: 'offset', type: 'integer', default: 0 },
    { name: 'size', type: 'integer' },
  ],
  children: [
    {
      name: 'file',
      required: true,
      role: fileRole,
      permissions(parents, state, options) {
        const grant = defaultGrant(fileRole(options), parents, state);
        // Unlike other data children it is written and resized only when a parent does (PERM-16).
        const permissions = (grant.permissions & ~GROWING) | (parents.permissions & GROWING);
        return { permissions, shared: grant.shared };
      },
    },
  ],
};
