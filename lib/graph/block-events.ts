// What happens to disks by itself, as QMP's events tell it.

import diagnosticsChannel from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { debuglog } from 'node:util';
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

/** QAPI: BLOCK_IO_ERROR. */
export interface BlockIoErrorEvent {
  /** The device's path; '' without one. */
  readonly 'qom-path': string;
  /** The backend's name; '' without one. */
  readonly device: string;
  /** Absent without a medium. */
  readonly 'node-name'?: string;
  readonly operation: 'read' | 'write';
  readonly action: 'ignore' | 'report' | 'stop' | 'retry';
  /** The host has no room left. Absent unless the I/O status is enabled. */
  readonly nospace?: boolean;
  /** For people. */
  readonly reason: string;
}

/** QAPI: BLOCK_EXPORT_DELETED. */
export interface BlockExportDeletedEvent {
  /** Of the export; it is free now. */
  readonly id: string;
}

/** Events and their data, by QAPI's names. */
export interface BlockEvents {
  BLOCK_IO_ERROR: [BlockIoErrorEvent];
  /** The machine has stopped; QAPI gives neither any data. */
  STOP: [];
  /** It runs again. */
  RESUME: [];
  DEVICE_TRAY_MOVED: [DeviceTrayMovedEvent];
  BLOCK_WRITE_THRESHOLD: [BlockWriteThresholdEvent];
  BLOCK_EXPORT_DELETED: [BlockExportDeletedEvent];
}

/** The events of this environment. What a listener throws becomes an uncaught exception. */
export const blockEvents = new EventEmitter<BlockEvents>();

const channel = diagnosticsChannel.channel('block-backend:event');
const debug = debuglog('block-backend');

/** Events that were caused while another one was being sent, in their order. */
const behind: (() => void)[] = [];
let sending = false;

/**
 * The one place where events are sent: to listeners, then to the diagnostics channel
 * 'block-backend:event' as {event, data}, and to stderr with NODE_DEBUG=block-backend. What a
 * listener causes is sent when all have heard of what it heard: all see one order.
 */
export function emitBlockEvent<Name extends keyof BlockEvents>(
  name: Name,
  ...data: BlockEvents[Name]
): void {
  behind.push(() => send(name, data));
  if (sending) return;
  sending = true;
  try {
    for (let next = behind.shift(); next !== undefined; next = behind.shift()) next();
  } finally {
    sending = false;
  }
}

function send<Name extends keyof BlockEvents>(name: Name, data: BlockEvents[Name]): void {
  for (const listener of blockEvents.rawListeners(name)) {
    callForeign(() => Reflect.apply(listener, blockEvents, data), undefined);
  }
  if (channel.hasSubscribers) channel.publish({ event: name, data: data[0] });
  if (debug.enabled) debug('%s %o', name, data[0] ?? {});
}
