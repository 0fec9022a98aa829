// Which memory a request uses: regions as they are, everything else through a lease of the slab.

import { types } from 'node:util';
import type { Environment } from '../aio/environment.js';
import { isFailure } from '../aio/native-binding.js';
import { placementOf } from '../aio/regions.js';
import type { KeptMemory, Lease, VectorCopy } from '../aio/slab.js';
import { BlockUsageError } from '../errors/block-error.js';
import { MAX_TRANSFER } from '../errors/request-failure.js';
import { byteLengthOf } from './arguments.js';

/** IOV_MAX. Longer vectors are gathered into one buffer. */
const MAX_VECTOR = 1024;

function bytesOf(view: ArrayBufferView): Uint8Array {
  if (types.isUint8Array(view)) return view;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function copiedBytes({ lengths, copied }: VectorCopy): number {
  return lengths.reduce((sum, length, index) => (copied[index] ? sum + length : sum), 0);
}

/**
 * The memory of one request, described for its descriptor. One object serves all requests, one
 * after the other, so that none of them needs an object of its own.
 */
export class Transfer {
  readonly #environment: Environment;
  /** Single buffer: region id, 0 for none, and offset in it. */
  region = 0;
  regionOffset = 0;
  length = 0;
  /** Buffers of a vectored request; at most 1 otherwise. */
  buffers = 0;
  readonly vectorRegions: number[] = [];
  readonly vectorOffsets: number[] = [];
  readonly vectorLengths: number[] = [];
  lease: Lease | undefined;
  kept: KeptMemory | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** No data; `length` is only a number. */
  setNone(length: number): void {
    this.#reset();
    this.length = length;
  }

  /** One buffer. `copiesIn`: its content matters. Returns 0 or a negative errno. */
  setBuffer(view: ArrayBufferView, copiesIn: boolean): number {
    this.#reset();
    this.kept = view;
    const placement = placementOf(view);
    if (placement !== undefined) {
      this.buffers = 1;
      this.region = placement.region;
      this.regionOffset = placement.offset;
      this.length = placement.length;
      return 0;
    }
    const byteLength = byteLengthOf(view);
    this.length = byteLength;
    // A longer request goes to native/ without memory, which refuses it before it would touch any.
    if (byteLength === 0 || byteLength > MAX_TRANSFER) return 0;
    this.buffers = 1;
    const region = this.#environment.regions.find(view);
    if (region !== undefined) {
      this.region = region.id;
      this.regionOffset = view.byteOffset;
      return 0;
    }
    const errno = this.#borrow(byteLength);
    if (copiesIn && this.lease !== undefined) this.lease.bytes.set(bytesOf(view));
    return errno;
  }

  /** Several buffers, one after the other. Returns 0 or a negative errno. */
  setVector(views: readonly ArrayBufferView[], copiesIn: boolean): number {
    this.#reset();
    // Read once: a view of growing shared memory may be longer a moment later.
    const lengths = views.map(byteLengthOf);
    for (const length of lengths) this.length += length;
    this.kept = views;
    if (this.length === 0 || this.length > MAX_TRANSFER) return 0;
    const { regions } = this.#environment;
    const copiesAll = views.length > MAX_VECTOR;
    const copied = views.map(
      (view, index) => lengths[index] !== 0 && (copiesAll || regions.find(view) === undefined),
    );
    const copy = { views, lengths, copied };
    const errno = this.#borrowFor(copy, copiesIn);
    if (errno === 0) this.#describeVector(copy);
    return errno;
  }

  /** Lets go of the request's memory, which its slot holds by now. */
  clear(): void {
    this.lease = undefined;
    this.kept = undefined;
  }

  #reset(): void {
    this.region = 0;
    this.regionOffset = 0;
    this.length = 0;
    this.buffers = 0;
    this.lease = undefined;
    this.kept = undefined;
  }

  #borrow(bytes: number): number {
    const lease = this.#environment.slab.lease(bytes);
    if (isFailure(lease)) return lease.errno;
    this.lease = lease;
    this.region = lease.region;
    this.regionOffset = lease.offset;
    return 0;
  }

  #borrowFor(copy: VectorCopy, copiesIn: boolean): number {
    const total = copiedBytes(copy);
    if (total === 0) return 0;
    this.kept = copy;
    const errno = this.#borrow(total);
    if (errno !== 0 || !copiesIn) return errno;
    let at = 0;
    for (const [index, view] of copy.views.entries()) {
      if (!copy.copied[index]) continue;
      this.lease?.bytes.set(bytesOf(view), at);
      at += copy.lengths[index] as number;
    }
    return 0;
  }

  #describeVector({ views, lengths, copied }: VectorCopy): void {
    const { regions } = this.#environment;
    let leaseOffset = this.lease?.offset ?? 0;
    for (const [index, view] of views.entries()) {
      const length = lengths[index] as number;
      if (length === 0) continue;
      const region = copied[index] ? undefined : regions.find(view);
      if (region === undefined) {
        this.#addToVector(this.lease?.region ?? 0, leaseOffset, length);
        leaseOffset += length;
      } else {
        this.#addToVector(region.id, view.byteOffset, length);
      }
    }
    this.region = this.buffers > 1 ? 0 : (this.vectorRegions[0] as number);
    this.regionOffset = this.buffers > 1 ? 0 : (this.vectorOffsets[0] as number);
  }

  /** Appends a buffer, or lengthens the last one when it ends where this one starts. */
  #addToVector(region: number, offset: number, length: number): void {
    const last = this.buffers - 1;
    if (last >= 0 && this.vectorRegions[last] === region) {
      const lastLength = this.vectorLengths[last] as number;
      if ((this.vectorOffsets[last] as number) + lastLength === offset) {
        this.vectorLengths[last] = lastLength + length;
        return;
      }
    }
    this.vectorRegions[this.buffers] = region;
    this.vectorOffsets[this.buffers] = offset;
    this.vectorLengths[this.buffers] = length;
    this.buffers += 1;
  }
}

function lostMemory(): BlockUsageError {
  return new BlockUsageError('a buffer was detached or shrunk while a request was reading into it');
}

/** Gives a read's bytes to the user; the error tells that there is nothing to give them to. */
export function copyOut(
  lease: Lease,
  kept: KeptMemory | undefined,
  length: number,
): Error | undefined {
  if (kept === undefined || Array.isArray(kept)) return undefined;
  if (ArrayBuffer.isView(kept)) {
    if (byteLengthOf(kept) < length) return lostMemory();
    const { bytes } = lease;
    bytesOf(kept).set(bytes.length === length ? bytes : bytes.subarray(0, length));
    return undefined;
  }
  return scatter(lease, kept as VectorCopy);
}

function scatter(lease: Lease, { views, lengths, copied }: VectorCopy): Error | undefined {
  const isShort = (view: ArrayBufferView, index: number): boolean =>
    copied[index] === true && byteLengthOf(view) < (lengths[index] as number);
  if (views.some(isShort)) return lostMemory();
  let at = 0;
  for (const [index, view] of views.entries()) {
    if (!copied[index]) continue;
    const end = at + (lengths[index] as number);
    bytesOf(view).set(lease.bytes.subarray(at, end));
    at = end;
  }
  return undefined;
}
