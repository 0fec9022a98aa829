// All events of this environment, in QMP's shape, in the order in which they were sent.

import { type BlockEvents, blockEvents } from '../graph/block-events.js';
import { EventRateLimit } from './event-rate-limit.js';
import { type QmpEvent, stamped } from './qmp-event.js';

const NAMES = [
  'BLOCK_EXPORT_DELETED',
  'BLOCK_IO_ERROR',
  'BLOCK_WRITE_THRESHOLD',
  'DEVICE_TRAY_MOVED',
  'STOP',
  'RESUME',
] as const satisfies readonly (keyof BlockEvents)[];

export interface EventSubscription {
  /** From now on nothing is told; what a rate limit still holds is dropped. */
  close(): void;
}

export interface SubscriptionOptions {
  /** As a QMP monitor sends them: see {@link EventRateLimit}. Default true. */
  readonly rateLimit?: boolean | undefined;
}

/** Tells of each event from this call on. It keeps no process alive. */
export function subscribeEvents(
  tell: (event: QmpEvent) => void,
  { rateLimit = true }: SubscriptionOptions = {},
): EventSubscription {
  const rated = rateLimit ? new EventRateLimit(tell) : undefined;
  const push = rated === undefined ? tell : (event: QmpEvent) => rated.push(event);
  const listeners = NAMES.map((name) => {
    const listener = (data?: unknown): void => push(stamped(name, data));
    blockEvents.on(name, listener as () => void);
    return [name, listener as () => void] as const;
  });
  return {
    close() {
      rated?.close();
      for (const [name, listener] of listeners) blockEvents.off(name, listener);
    },
  };
}
