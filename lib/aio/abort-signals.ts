// Requests that leave their queue when a signal is aborted. A signal has one listener, however many
// requests it is for, because adding and removing listeners takes time in proportion to their number.

import type { Ring } from './ring.js';
import { slotOf, type Ticket, ticketGeneration } from './slots.js';

interface Watched {
  readonly tickets: Set<Ticket>;
  readonly listener: () => void;
}

export class AbortSignals {
  readonly #ring: Ring;
  readonly #watched = new Map<AbortSignal, Watched>();

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  watch(signal: AbortSignal, ticket: Ticket): void {
    const watched = this.#watched.get(signal) ?? this.#listen(signal);
    watched.tickets.add(ticket);
  }

  forget(signal: AbortSignal, ticket: Ticket): void {
    const watched = this.#watched.get(signal);
    watched?.tickets.delete(ticket);
    if (watched?.tickets.size !== 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.listener);
  }

  #listen(signal: AbortSignal): Watched {
    const tickets = new Set<Ticket>();
    const listener = (): void => {
      for (const ticket of tickets) {
        this.#ring.binding.cancel(slotOf(ticket), ticketGeneration(ticket));
      }
      this.#ring.arm();
    };
    const watched = { tickets, listener };
    this.#watched.set(signal, watched);
    signal.addEventListener('abort', listener);
    return watched;
  }
}
