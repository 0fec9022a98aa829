// Control calls that complete later: their results come through the completion ring like those of
// requests.

import type { NativeFailure } from './native-binding.js';
import type { Ring } from './ring.js';
import type { SlotOwner } from './slots.js';

/** Resolves to the value or to the reason of the failure; never rejects. */
export type ControlResult = number | NativeFailure;

class ControlCall implements SlotOwner {
  readonly #ring: Ring;
  readonly #resolve: (result: ControlResult) => void;

  constructor(ring: Ring, resolve: (result: ControlResult) => void) {
    this.#ring = ring;
    this.#resolve = resolve;
  }

  settle(slot: number, result: number): void {
    const report = result < 0 ? this.#ring.binding.takeReport(slot) : undefined;
    this.#ring.slots.release(slot);
    this.#resolve(result < 0 ? (report ?? { errno: result, kind: '', args: {} }) : result);
  }
}

/** Runs `start` with a slot on which native/ will complete. */
export function controlCall(ring: Ring, start: (slot: number) => void): Promise<ControlResult> {
  return new Promise((resolve) => {
    const slot = ring.slots.take(new ControlCall(ring, resolve));
    start(slot);
    ring.arm();
  });
}
