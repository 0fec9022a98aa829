// What one Node environment (the main thread, or a worker) shares between its backends. Made on
// first use: importing the package creates nothing.

import { native } from '../native.js';
import { AbortSignals } from './abort-signals.js';
import type { NativeBinding } from './native-binding.js';
import { BufferPool } from './pool.js';
import { Regions } from './regions.js';
import { Ring } from './ring.js';
import { Slab } from './slab.js';

export class Environment {
  readonly binding: NativeBinding;
  readonly ring: Ring;
  readonly regions: Regions;
  readonly slab: Slab;
  readonly pool: BufferPool;
  readonly abortSignals: AbortSignals;

  constructor(binding: NativeBinding) {
    this.binding = binding;
    this.ring = new Ring(binding);
    this.regions = new Regions(binding);
    this.slab = new Slab(binding);
    this.ring.onBatch = () => this.regions.forgetLast();
    this.pool = new BufferPool(this.regions);
    this.abortSignals = new AbortSignals(this.ring);
  }
}

let current: Environment | undefined;

export function environment(): Environment {
  current ??= new Environment(native);
  return current;
}
