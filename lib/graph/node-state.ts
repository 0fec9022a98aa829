// What a node is at the moment: what options say and reopens change.

import type { DriverOptions } from './driver-definition.js';

/** QAPI: BlockdevDetectZeroesOptions. */
export type DetectZeroes = 'off' | 'on' | 'unmap';

/** What an inline child takes from its parent unless it says otherwise (GRAPH-8). */
export interface Inherited {
  readonly readOnly: boolean;
  readonly autoReadOnly: boolean;
  readonly direct: boolean;
  readonly noFlush: boolean;
  readonly forceShare: boolean;
  readonly discardUnmap: boolean;
  /** A reopen may make it writable: nobody asked for read-only=on here or above (REOP-7). */
  readonly mayWrite: boolean;
  /** Its data are not looked at, here or below: only what describes the image (BDRV_O_NO_IO). */
  readonly noIo: boolean;
}

/** The common options as a node has them. */
export interface CommonState extends Inherited {
  readonly detectZeroes: DetectZeroes;
}

/** What a reopen or a migration can change. */
export interface NodeState extends CommonState {
  /** Another process may be writing (BDRV_O_INACTIVE). */
  readonly inactive: boolean;
  /** The driver's own options, defaults included. */
  readonly options: DriverOptions;
  /** What was asked for by name, here or in a reopen, the driver's and common ones. */
  readonly explicit: DriverOptions;
}
