// Events and the types of their data, by QAPI's names.

import type { BlockEvents } from '../../graph/block-events.js';
import { bool, enumeration, object, optional, str, type Type, uint64 } from './type.js';

export const eventTypes: { readonly [name in keyof BlockEvents]: Type<unknown> | undefined } = {
  BLOCK_EXPORT_DELETED: object('BLOCK_EXPORT_DELETED-data', { id: str }),
  BLOCK_IO_ERROR: object('BLOCK_IO_ERROR-data', {
    'qom-path': str,
    device: str,
    'node-name': optional(str),
    operation: enumeration('IoOperationType', ['read', 'write']),
    action: enumeration('BlockErrorAction', ['ignore', 'report', 'stop', 'retry']),
    nospace: optional(bool),
    reason: str,
  }),
  BLOCK_WRITE_THRESHOLD: object('BLOCK_WRITE_THRESHOLD-data', {
    'node-name': str,
    'amount-exceeded': uint64,
    'write-threshold': uint64,
  }),
  DEVICE_TRAY_MOVED: object('DEVICE_TRAY_MOVED-data', {
    device: str,
    id: str,
    'tray-open': bool,
  }),
  STOP: undefined,
  RESUME: undefined,
};
