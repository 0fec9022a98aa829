// Memory that native/ knows, found by the ArrayBuffer that shows it.

import { types } from 'node:util';
import { MAX_TRANSFER } from '../errors/request-failure.js';
import { isFailure, type NativeBinding, type NativeFailure } from './native-binding.js';

/** Memory that the kernel may use directly. */
export interface Region {
  readonly id: number;
  readonly bytes: number;
}

/**
 * A view that the pool handed out and a request can use whole, and where it is: such memory is never
 * transferred or resized.
 */
export interface Placement {
  readonly region: number;
  /** Where the view starts in the region. */
  readonly offset: number;
  readonly length: number;
}

const PLACEMENT = Symbol('placement');

/**
 * Undefined for views that were not placed, whatever they show. For the others it answers at once
 * what `buffer`, `byteOffset` and `byteLength` answer by calls into V8: 30 ns of a request.
 */
export function placementOf(view: ArrayBufferView): Placement | undefined {
  return (view as { readonly [PLACEMENT]?: Placement })[PLACEMENT];
}

function isGrowable(buffer: ArrayBufferLike): boolean {
  return (buffer as { growable?: boolean }).growable === true;
}

export class Regions {
  readonly #binding: NativeBinding;
  readonly #known = new WeakMap<ArrayBufferLike, Region>();
  // An ArrayBuffer goes when no view of it is left, subarrays included: only then nobody can see
  // the memory any more. Requests in flight hold the region natively.
  readonly #collected: FinalizationRegistry<number>;
  #lastBuffer: ArrayBufferLike | undefined;
  #lastRegion: Region | undefined;

  constructor(binding: NativeBinding) {
    this.#binding = binding;
    this.#collected = new FinalizationRegistry((id) => binding.regionRelease(id));
  }

  /**
   * The region that holds all of `view`; undefined for memory that must be copied. Memory shared
   * between threads becomes a region when it is first seen.
   */
  find(view: ArrayBufferView): Region | undefined {
    const { buffer } = view;
    if (buffer === this.#lastBuffer) return this.#lastRegion;
    let region = this.#known.get(buffer);
    if (types.isSharedArrayBuffer(buffer)) region = this.#shared(buffer, region);
    if (region !== undefined && !isGrowable(buffer)) {
      this.#lastBuffer = buffer;
      this.#lastRegion = region;
    }
    return region;
  }

  /** A view of memory that create() gave. */
  place(memory: ArrayBuffer, offset: number, length: number): Buffer {
    const view = Buffer.from(memory, offset, length);
    if (length === 0 || length > MAX_TRANSFER) return view;
    const region = this.#known.get(memory)?.id ?? 0;
    const placement: Placement = { region, offset, length };
    return Object.defineProperty(view, PLACEMENT, { value: placement });
  }

  /** New zeroed memory; released when its ArrayBuffer is collected. */
  create(bytes: number): ArrayBuffer | NativeFailure {
    const created = this.#binding.regionCreate(bytes);
    if (isFailure(created)) return created;
    this.#remember(created.buffer, { id: created.id, bytes });
    return created.buffer;
  }

  /** Called once per batch: remembering the last buffer must not keep its memory for ever. */
  forgetLast(): void {
    this.#lastBuffer = undefined;
    this.#lastRegion = undefined;
  }

  #remember(buffer: ArrayBufferLike, region: Region): void {
    this.#known.set(buffer, region);
    this.#collected.register(buffer, region.id, region);
  }

  /** A growable buffer keeps its address, but its region covers only what it was when seen. */
  #shared(buffer: SharedArrayBuffer, known: Region | undefined): Region | undefined {
    if (known !== undefined && known.bytes === buffer.byteLength) return known;
    if (known !== undefined) {
      this.#collected.unregister(known);
      this.#binding.regionRelease(known.id);
    }
    const id = this.#binding.regionShare(new Uint8Array(buffer));
    // Memory that native/ cannot have is copied like any other.
    if (id === 0) return undefined;
    const region = { id, bytes: buffer.byteLength };
    this.#remember(buffer, region);
    return region;
  }
}
