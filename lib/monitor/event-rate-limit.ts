// The rate limits of QMP monitors (QEMU: monitor_qapi_event_queue).

import type { QmpEvent } from './qmp-event.js';

/** Of each device's errors, in ms. (monitor_qapi_event_conf) */
const PERIOD_MS = 1000;

interface Period {
  readonly timer: NodeJS.Timeout;
  /** The newest that came since the last one was sent. */
  newest: QmpEvent | undefined;
}

/**
 * Of one device's BLOCK_IO_ERROR events the first is sent at once, and from then on each second the
 * newest of those that came within it. Other events pass. Its timers keep no process alive.
 */
export class EventRateLimit {
  readonly #send: (event: QmpEvent) => void;
  readonly #periods = new Map<string, Period>();

  constructor(send: (event: QmpEvent) => void) {
    this.#send = send;
  }

  push(event: QmpEvent): void {
    if (event.event !== 'BLOCK_IO_ERROR') {
      this.#send(event);
      return;
    }
    const device = event.data['qom-path'];
    const period = this.#periods.get(device);
    if (period !== undefined) period.newest = event;
    else this.#begin(device, event);
  }

  /** What waits is dropped. */
  close(): void {
    for (const { timer } of this.#periods.values()) clearTimeout(timer);
    this.#periods.clear();
  }

  #begin(device: string, event: QmpEvent): void {
    const timer = setTimeout(() => this.#ended(device), PERIOD_MS).unref();
    this.#periods.set(device, { timer, newest: undefined });
    this.#send(event);
  }

  #ended(device: string): void {
    const newest = this.#periods.get(device)?.newest;
    this.#periods.delete(device);
    if (newest !== undefined) this.#begin(device, newest);
  }
}
