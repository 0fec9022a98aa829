// What happens to disks by itself, as QMP's events tell it.

import { EventEmitter } from 'node:events';
import { callForeign } from './notifiers.js';

/** QAPI: BLOCK_WRITE_THRESHOLD. In bytes. */
export interface BlockWriteThresholdEvent {
  readonly 'node-name': string;
  /** How far beyond the threshold the write ends. */
  readonly 'amount-exceeded': number;
  /** It is disarmed now. */
  readonly 'write-threshold': number;
}

/** QAPI: DEVICE_TRAY_MOVED. */
export interface DeviceTrayMovedEvent {
  /** The backend's name; '' without one. */
  readonly device: string;
  /** The device's id, else its path; '' without either. */
  readonly id: string;
  /** What it is now. */
  readonly 'tray-open': boolean;
}

/** Events and their data, by QAPI's names. */
export interface BlockEvents {
  DEVICE_TRAY_MOVED: [DeviceTrayMovedEvent];
  BLOCK_WRITE_THRESHOLD: [BlockWriteThresholdEvent];
}

/** The events of this environment. What a listener throws becomes an uncaught exception. */
export const blockEvents = new EventEmitter<BlockEvents>();

/** The one place where events are sent. */
export function emitBlockEvent<Name extends keyof BlockEvents>(
  name: Name,
  ...data: BlockEvents[Name]
): void {
  callForeign(() => (blockEvents as EventEmitter).emit(name, ...data), false);
}
