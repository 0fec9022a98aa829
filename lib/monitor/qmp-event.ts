// Events as QMP sends them.

import type { BlockEvents } from '../graph/block-events.js';

/** An event in QMP's shape. */
export type QmpEvent = {
  [Name in keyof BlockEvents]: {
    readonly event: Name;
    readonly data: BlockEvents[Name] extends [] ? undefined : BlockEvents[Name][0];
    /** Since 1970. */
    readonly timestamp: { readonly seconds: number; readonly microseconds: number };
  };
}[keyof BlockEvents];

/** With the time that it is now. */
export function stamped(event: QmpEvent['event'], data: unknown): QmpEvent {
  const microseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
  const timestamp = Object.freeze({
    seconds: Math.floor(microseconds / 1e6),
    microseconds: microseconds % 1e6,
  });
  return Object.freeze({ event, data, timestamp }) as QmpEvent;
}
