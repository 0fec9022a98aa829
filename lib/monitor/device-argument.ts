// The backend that a command is about: `device`, the name of the backend, or `id`, of its device.

import { BlockBackend } from '../block-backend.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** One of the two. */
export interface DeviceArgument {
  /** Name of the backend. */
  readonly device?: string | undefined;
  /** Id or path of the device on the backend. */
  readonly id?: string | undefined;
}

/** @throws BlockError: EINVAL for both or none, ENODEV for an unknown one. (qmp_get_blk) */
export function backendOf({ device, id }: DeviceArgument, operation: string): BlockBackend {
  for (const [name, value] of Object.entries<unknown>({ device, id })) {
    if (value === undefined || typeof value === 'string') continue;
    throw invalidArgumentType(name, 'of type string', value);
  }
  if ((device === undefined) === (id === undefined)) {
    throw new BlockError(Errno.EINVAL, { operation, text: 'one of device and id is needed' });
  }
  if (id !== undefined) return BlockBackend.byDeviceId(id);
  const blk = BlockBackend.byName(device as string);
  if (blk !== undefined) return blk;
  throw new BlockError(Errno.ENODEV, { operation, text: `there is no device '${device}'` });
}
