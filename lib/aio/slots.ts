// The requests that JavaScript waits for: one row each, in columns, so that a request costs no
// object of its own.

import type { KeptMemory, Lease } from './slab.js';

/** Settles the requests of its slots. */
export interface SlotOwner {
  /** `result` is a value or a negative errno; `node` the id of the failing node. */
  settle(slot: number, result: number, node: number): void;
}

/** Error first, as in Node; `result` is what QEMU's callbacks get: a value or a negative errno. */
export type RequestCallback = (error: Error | null, result: number) => void;

/** Identifies a request even after its slot was taken again. */
export type Ticket = number;

/** Beside an operation: the request's memory is borrowed from the slab. */
export const LEASED = 128;

const FIRST_CAPACITY = 256;
const MAX_GENERATION = 0x7fffffff;

/** A slot and its generation in one safe integer: 24 bits are enough for 16 million requests. */
const SLOT_FACTOR = 2 ** 24;

export function slotOf(ticket: Ticket): number {
  return ticket % SLOT_FACTOR;
}

export function ticketGeneration(ticket: Ticket): number {
  return Math.floor(ticket / SLOT_FACTOR);
}

function grown<T extends Int32Array | Uint8Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

/** With room for exactly so many: lists that are pushed to take half as much again. */
function lengthened<T>(old: readonly T[], length: number, filler: T): T[] {
  const longer = old.slice();
  while (longer.length < length) longer.push(filler);
  return longer.slice();
}

export class SlotTable {
  generation = new Int32Array(0);
  /** And LEASED. */
  operation = new Uint8Array(0);
  offset = new Float64Array(0);
  length = new Float64Array(0);
  owner: (SlotOwner | undefined)[] = [];
  /** Resolves the promise; or the callback, where `reject` is undefined. */
  done: (((value: number) => void) | RequestCallback)[] = [];
  reject: (((error: Error) => void) | undefined)[] = [];
  /** What the request has of LEASED memory is in its lease. */
  kept: (KeptMemory | Lease | undefined)[] = [];
  /** Of the few requests that have one. */
  readonly signals = new Map<number, AbortSignal>();

  #free = new Int32Array(0);
  #freeCount = 0;

  /** Requests that were taken and not yet released. */
  get used(): number {
    return this.generation.length - this.#freeCount;
  }

  take(owner: SlotOwner): number {
    if (this.#freeCount === 0) this.#grow();
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    this.owner[slot] = owner;
    return slot;
  }

  /** The slot may be taken again; whatever it referred to is let go. */
  release(slot: number): void {
    const generation = this.generation[slot] as number;
    this.generation[slot] = generation === MAX_GENERATION ? 1 : generation + 1;
    this.owner[slot] = undefined;
    this.done[slot] = ignore;
    this.reject[slot] = undefined;
    this.kept[slot] = undefined;
    if (this.signals.size > 0) this.signals.delete(slot);
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  ticket(slot: number): Ticket {
    return (this.generation[slot] as number) * SLOT_FACTOR + slot;
  }

  /** The slot of a request that is not settled yet, or -1. */
  find(ticket: Ticket): number {
    const slot = slotOf(ticket);
    const alive = this.owner[slot] !== undefined && this.ticket(slot) === ticket;
    return alive ? slot : -1;
  }

  #grow(): void {
    const old = this.generation.length;
    const capacity = old === 0 ? FIRST_CAPACITY : old * 2;
    this.generation = grown(this.generation, new Int32Array(capacity).fill(1, old));
    this.operation = grown(this.operation, new Uint8Array(capacity));
    this.offset = grown(this.offset, new Float64Array(capacity));
    this.length = grown(this.length, new Float64Array(capacity));
    this.#free = grown(this.#free, new Int32Array(capacity));
    this.owner = lengthened(this.owner, capacity, undefined);
    this.done = lengthened(this.done, capacity, ignore);
    this.reject = lengthened(this.reject, capacity, undefined);
    this.kept = lengthened(this.kept, capacity, undefined);
    // Lowest slot on top, so that few slots stay few cache lines.
    for (let slot = capacity - 1; slot >= old; slot -= 1) {
      this.#free[this.#freeCount] = slot;
      this.#freeCount += 1;
    }
  }
}

function ignore(): void {}
