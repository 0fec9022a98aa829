import { ChildRole, Permission } from '../aio/protocol.js';
import { type DriverDefinition, type DriverOptions, drivers } from '../graph/driver-definition.js';
import { defaultGrant } from '../graph/permissions.js';
import { type Signature, signatureList } from '../graph/signature.js';
import { foreignSignatures } from './foreign-formats.js';
import { fileMediaHooks } from './media-hooks.js';

const STORAGE = ChildRole.data | ChildRole.primary;
const FILTER = ChildRole.filtered | ChildRole.primary;
const SECTOR = 512;
const GROWING = Permission.write | Permission.resize;

/** Of all formats but this one, which has none. */
function* knownSignatures(): Iterable<Signature> {
  for (const { signatures } of drivers()) yield* signatures ?? [];
  yield* foreignSignatures;
}

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
    { name: 'offset', type: 'integer', default: 0, strong: true },
    { name: 'size', type: 'integer', strong: true },
  ],
  isFormat: true,
  reopens: ['offset', 'size'],
  ...fileMediaHooks,
  // Nothing but the disk itself, holes included.
  measure(size) {
    const required = Math.ceil(size / SECTOR) * SECTOR;
    return { required, fullyAllocated: required };
  },
  // What nobody else knows.
  probe: () => 1,
  guessed: {
    options: () => ({ 'probed-signatures': signatureList([...knownSignatures()]) }),
    warning:
      'its format was not given, and guessed to be raw, so that its first 512 bytes cannot be ' +
      "written to look like another format; give 'driver' to lift that",
  },
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
