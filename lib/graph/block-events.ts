// What happens to disks by itself, as QMP's events tell it.

import { EventEmitter } from 'node:events';

/** QAPI: BLOCK_WRITE_THRESHOLD. In bytes. */
export interface BlockWriteThresholdEvent {
  readonly 'node-name': string;
  /** How far beyond the threshold the write ends. */
  readonly 'amount-exceeded': number;
  /** It is disarmed now. */
  readonly 'write-threshold': number;
}

/** Events and their data, by QAPI's names. */
export interface BlockEvents {
  BLOCK_WRITE_THRESHOLD: [BlockWriteThresholdEvent];
}

/** The events of this environment. What a listener throws becomes an uncaught exception. */
export const blockEvents = new EventEmitter<BlockEvents>();
