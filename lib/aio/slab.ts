// Bounce memory: requests on memory that native/ does not know borrow a lease here.
//
//   size class (512, 1024 ... 1 MiB, then whole MiB) -> chunks (one region each) -> leases
//
// Leases are made once per chunk and used again, so that a request makes no object. Chunks without
// a lease in use are kept up to a limit and then released.

import { isFailure, type NativeBinding, type NativeFailure } from './native-binding.js';

const MIB = 1024 * 1024;
const SMALLEST = 512;

/** How much unused memory is kept for later. */
export const SLAB_IDLE_LIMIT = 16 * MIB;

/** What must stay reachable until the request is settled, and what a read is copied to. */
export type KeptMemory = ArrayBufferView | readonly ArrayBufferView[] | VectorCopy;

/** A vectored request: the bytes of the copied views follow each other in the lease. */
export interface VectorCopy {
  readonly views: readonly ArrayBufferView[];
  readonly lengths: readonly number[];
  readonly copied: readonly boolean[];
}

/** Memory lent to one request. */
export interface Lease {
  readonly region: number;
  /** Where the lease starts in the region. */
  readonly offset: number;
  readonly bytes: Buffer;
  readonly chunk: Chunk;
  /** What the request that has it keeps, and what a read is copied to. */
  kept: KeptMemory | undefined;
}

interface Chunk {
  readonly region: number;
  readonly bytes: number;
  readonly leases: number;
  readonly free: Lease[];
  readonly sizeClass: SizeClass;
}

interface SizeClass {
  readonly size: number;
  /** Chunks with a free lease; the last one is used first. */
  readonly partial: Chunk[];
}

/** The size of the lease that a request of `bytes` bytes gets. */
export function leaseSize(bytes: number): number {
  if (bytes > MIB) return Math.ceil(bytes / MIB) * MIB;
  return bytes <= SMALLEST ? SMALLEST : 2 ** (32 - Math.clz32(bytes - 1));
}

export class Slab {
  readonly #binding: NativeBinding;
  readonly #classes = new Map<number, SizeClass>();
  readonly #idleLimit: number;
  #idle = 0;
  #total = 0;

  constructor(binding: NativeBinding, idleLimit = SLAB_IDLE_LIMIT) {
    this.#binding = binding;
    this.#idleLimit = idleLimit;
  }

  /** Bytes of all chunks, in use or kept. */
  get totalBytes(): number {
    return this.#total;
  }

  /** Bytes of the chunks that no request uses. */
  get idleBytes(): number {
    return this.#idle;
  }

  lease(bytes: number): Lease | NativeFailure {
    const sizeClass = this.#sizeClass(leaseSize(bytes));
    const { partial } = sizeClass;
    let chunk = partial[partial.length - 1];
    if (chunk === undefined) {
      const created = this.#createChunk(sizeClass);
      if (isFailure(created)) return created;
      chunk = created;
      partial.push(chunk);
    } else if (chunk.free.length === chunk.leases) {
      this.#idle -= chunk.bytes;
    }
    const lease = chunk.free.pop() as Lease;
    if (chunk.free.length === 0) partial.pop();
    return lease;
  }

  release(lease: Lease): void {
    lease.kept = undefined;
    const { chunk } = lease;
    const { partial } = chunk.sizeClass;
    if (chunk.free.length === 0) partial.push(chunk);
    chunk.free.push(lease);
    if (chunk.free.length < chunk.leases) return;
    if (this.#idle + chunk.bytes <= this.#idleLimit) {
      this.#idle += chunk.bytes;
      return;
    }
    partial.splice(partial.indexOf(chunk), 1);
    this.#total -= chunk.bytes;
    this.#binding.regionRelease(chunk.region);
  }

  #sizeClass(size: number): SizeClass {
    let sizeClass = this.#classes.get(size);
    if (sizeClass === undefined) {
      sizeClass = { size, partial: [] };
      this.#classes.set(size, sizeClass);
    }
    return sizeClass;
  }

  #createChunk(sizeClass: SizeClass): Chunk | NativeFailure {
    const { size } = sizeClass;
    const bytes = Math.max(size, MIB);
    const created = this.#binding.regionCreate(bytes);
    if (isFailure(created)) return created;
    const free: Lease[] = [];
    const chunk = { region: created.id, bytes, leases: bytes / size, free, sizeClass };
    for (let offset = bytes - size; offset >= 0; offset -= size) {
      const view = Buffer.from(created.buffer, offset, size);
      free.push({ region: created.id, offset, bytes: view, chunk, kept: undefined });
    }
    this.#total += bytes;
    return chunk;
  }
}
