// Memory for users that requests use without copying.

import { isFailure, type NativeFailure } from './native-binding.js';
import type { Regions } from './regions.js';

const PAGE = 4096;
/** The smallest alignment that O_DIRECT asks for. */
const SECTOR = 512;
const CHUNK = 1024 * 1024;
/** From here on a buffer has a region of its own: sharing would save nothing. */
const LARGE = CHUNK / 4;

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Buffers of a page or more start on a page; smaller ones on their size, rounded up to 2^n. */
function alignment(bytes: number): number {
  if (bytes > PAGE / 2) return PAGE;
  return bytes <= SECTOR ? SECTOR : 2 ** (32 - Math.clz32(bytes - 1));
}

/**
 * Carves buffers out of chunks, never using a piece twice: views of a piece may live on in
 * subarrays, and only the collection of the whole ArrayBuffer shows that none does.
 */
export class BufferPool {
  readonly #regions: Regions;
  #chunk: ArrayBuffer | undefined;
  #used = 0;

  constructor(regions: Regions) {
    this.#regions = regions;
  }

  /**
   * Zeroed memory that cannot be transferred away: Node marks an addon's memory itself. Marked once
   * more, it would end the process at its exit since Node 24, which then cannot detach it.
   */
  allocate(bytes: number): Buffer | NativeFailure {
    const unit = alignment(bytes);
    const size = roundUp(bytes, unit);
    if (size >= LARGE) {
      const own = this.#regions.create(roundUp(bytes, PAGE));
      return isFailure(own) ? own : this.#regions.place(own, 0, bytes);
    }
    let chunk = this.#chunk;
    let start = roundUp(this.#used, unit);
    if (chunk === undefined || start + size > CHUNK) {
      const created = this.#regions.create(CHUNK);
      if (isFailure(created)) return created;
      chunk = created;
      start = 0;
    }
    this.#used = start + size;
    // A full chunk belongs to its buffers alone.
    this.#chunk = this.#used === CHUNK ? undefined : chunk;
    return this.#regions.place(chunk, start, bytes);
  }
}
