// The one way of a backend's requests into native/ and back, whatever form they were called in.
//
//   draft (checked arguments) -> refusal? -> slot -> memory -> descriptor -> ... -> settle()

import type { AbortSignals } from '../aio/abort-signals.js';
import type { Environment } from '../aio/environment.js';
import type { Handle, NativeFailure } from '../aio/native-binding.js';
import type { BufferPool } from '../aio/pool.js';
import { AccountType, Operation } from '../aio/protocol.js';
import { type Placement, placementOf } from '../aio/regions.js';
import { NO_SLOT, type Ring } from '../aio/ring.js';
import type { Lease, Slab } from '../aio/slab.js';
import {
  LEASED,
  type RequestCallback,
  type SlotOwner,
  type SlotTable,
  type Ticket,
} from '../aio/slots.js';
import { AbortError, BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { failureText } from '../errors/native-failure.js';
import { type RequestMedium, requestText } from '../errors/request-failure.js';
import type { ByteCount } from './arguments.js';
import { Draft, type Problem } from './draft.js';
import { ACCOUNT_TYPES, NOT_ACCOUNTED, type WriteOptions } from './options.js';
import { copyOut, Transfer } from './transfer.js';

/** What requests need to know about the backend that they belong to. */
export interface RequestOwner {
  readonly name: string;
  /** Some node below leaves buffers of reads as they are, so they must be copied in as well. */
  readonly leavesReadBuffers: boolean;
  nodeName(id: number): string | undefined;
  /** For errors. */
  medium(): RequestMedium | undefined;
}

const OPERATION_NAMES: Readonly<Record<number, string>> = {
  [Operation.read]: 'pread',
  [Operation.write]: 'pwrite',
  [Operation.writeZeroes]: 'pwrite_zeroes',
  [Operation.discard]: 'pdiscard',
  [Operation.flush]: 'flush',
  [Operation.truncate]: 'truncate',
  [Operation.ioctl]: 'ioctl',
  [Operation.length]: 'getlength',
  [Operation.blockStatus]: 'block_status',
  [Operation.makeZero]: 'make_zero',
  [Operation.makeEmpty]: 'make_empty',
  [Operation.check]: 'check',
  [Operation.abort]: 'abort_request',
  [Operation.copyRange]: 'copy_range',
  [Operation.saveVmstate]: 'save_vmstate',
  [Operation.loadVmstate]: 'load_vmstate',
  [Operation.probeBlockSizes]: 'probe_blocksizes',
  [Operation.probeGeometry]: 'probe_geometry',
  [Operation.sgIo]: 'sg_io',
  [Operation.sectors]: 'get_geometry',
};

/** Operations beside reads that leave something in their buffer. */
const ANSWERS: ReadonlySet<number> = new Set([
  Operation.ioctl,
  Operation.blockStatus,
  Operation.loadVmstate,
  Operation.probeBlockSizes,
  Operation.probeGeometry,
  Operation.sgIo,
]);

/** Operations whose range belongs into their errors. */
function isRanged(operation: number): boolean {
  return operation <= Operation.discard || operation === Operation.copyRange;
}

// A promise's functions, caught without a closure per request.
let caughtResolve: (value: number) => void;
let caughtReject: (error: Error) => void;
function catchFunctions(resolve: (value: number) => void, reject: (error: Error) => void): void {
  caughtResolve = resolve;
  caughtReject = reject;
}

/** Runs a user's callback: what it throws is an uncaught exception and harms nobody else. */
function runCallback(callback: RequestCallback, error: Error | null, result: number): void {
  try {
    callback(error, result);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}

export class RequestPort implements SlotOwner {
  readonly draft = new Draft();
  /** As what requests are accounted that do not say it, by operation. */
  #accountTypes = NOT_ACCOUNTED;
  readonly #ring: Ring;
  readonly #slots: SlotTable;
  readonly #slab: Slab;
  readonly #pool: BufferPool;
  readonly #abortSignals: AbortSignals;
  readonly #transfer: Transfer;
  readonly #owner: RequestOwner;
  readonly #cancelled = new Map<Ticket, () => void>();
  #handle: Handle;

  constructor(environment: Environment, handle: Handle, owner: RequestOwner) {
    this.#ring = environment.ring;
    this.#slots = environment.ring.slots;
    this.#slab = environment.slab;
    this.#pool = environment.pool;
    this.#abortSignals = environment.abortSignals;
    this.#transfer = new Transfer(environment);
    this.#handle = handle;
    this.#owner = owner;
  }

  /** Asynchronous requests that say nothing else are accounted as what they are. */
  get accountRequests(): boolean {
    return this.#accountTypes === ACCOUNT_TYPES;
  }

  set accountRequests(on: boolean) {
    this.#accountTypes = on ? ACCOUNT_TYPES : NOT_ACCOUNTED;
  }

  /** From now on every request fails with ENOMEDIUM; those under way go on. */
  close(): void {
    this.#handle = 0;
  }

  allocate(bytes: number): Buffer | NativeFailure {
    return this.#pool.allocate(bytes);
  }

  /** Submits the draft. Rejects with `problem` if there is one. */
  promise(problem: Problem): Promise<number> {
    const refusal = problem ?? this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const slot = this.#slots.take(this);
    const promise = this.#promiseOf(slot);
    this.#submit(slot);
    return promise;
  }

  #promiseOf(slot: number): Promise<number> {
    const promise = new Promise<number>(catchFunctions);
    this.#slots.done[slot] = caughtResolve;
    this.#slots.reject[slot] = caughtReject;
    return promise;
  }

  /** Submits the draft. The callback never runs before this returned. Returns a ticket. */
  callback(problem: Problem, callback: RequestCallback): Ticket {
    const refusal = problem ?? this.#refusal();
    const slot = this.#slots.take(this);
    this.#slots.done[slot] = callback;
    const ticket = this.#slots.ticket(slot);
    if (refusal === undefined) this.#submit(slot);
    else process.nextTick(() => this.#finish(slot, resultOf(refusal), refusal));
    return ticket;
  }

  /** As promise(), of a request that reads or writes one buffer. */
  promiseBuffer(
    operation: number,
    offset: ByteCount,
    buffer: ArrayBufferView,
    options?: WriteOptions,
  ): Promise<number> {
    const placement = this.#placement(offset, buffer, options);
    if (placement === undefined) {
      return this.promise(this.draft.single(operation, offset, buffer, options));
    }
    const slot = this.#slots.take(this);
    const promise = this.#promiseOf(slot);
    this.#submitPlaced(slot, operation, offset as number, buffer, placement);
    return promise;
  }

  /** As callback(), of a request that reads or writes one buffer. */
  callbackBuffer(
    operation: number,
    offset: ByteCount,
    buffer: ArrayBufferView,
    callback: RequestCallback,
    options?: WriteOptions,
  ): Ticket {
    const placement = this.#placement(offset, buffer, options);
    if (placement === undefined) {
      return this.callback(this.draft.single(operation, offset, buffer, options), callback);
    }
    const slot = this.#slots.take(this);
    this.#slots.done[slot] = callback;
    const ticket = this.#slots.ticket(slot);
    this.#submitPlaced(slot, operation, offset as number, buffer, placement);
    return ticket;
  }

  /** As sync(), of a request that reads or writes one buffer. */
  syncBuffer(
    operation: number,
    offset: ByteCount,
    buffer: ArrayBufferView,
    options?: WriteOptions,
  ): number {
    const placement = this.#placement(offset, buffer, options);
    if (placement === undefined) {
      return this.sync(this.draft.single(operation, offset, buffer, options));
    }
    const ring = this.#ring;
    const at = offset as number;
    ring.pushPlaced(NO_SLOT, operation, this.#handle, at, placement, AccountType.none);
    const result = ring.runSync();
    if (result >= 0) return result;
    throw this.#failure(NO_SLOT, operation, at, placement.length, result, ring.syncNode);
  }

  /**
   * The memory of a request that says nothing but where it reads or writes, if native/ knows all of
   * it: the request needs neither a draft nor a transfer then.
   */
  #placement(offset: ByteCount, buffer: ArrayBufferView, options: unknown): Placement | undefined {
    if (options !== undefined || this.#handle === 0) return undefined;
    if (!Number.isSafeInteger(offset) || !ArrayBuffer.isView(buffer)) return undefined;
    return placementOf(buffer);
  }

  #submitPlaced(
    slot: number,
    operation: number,
    offset: number,
    buffer: ArrayBufferView,
    placement: Placement,
  ): void {
    const slots = this.#slots;
    const ring = this.#ring;
    slots.operation[slot] = operation;
    slots.offset[slot] = offset;
    slots.length[slot] = placement.length;
    slots.kept[slot] = buffer;
    const account = this.#accountTypes[operation] as number;
    ring.pushPlaced(slot, operation, this.#handle, offset, placement, account);
    ring.arm();
  }

  /** Runs the draft to its end. Throws what a promise would reject with. */
  sync(problem: Problem): number {
    const refusal = problem ?? this.#refusal();
    if (refusal !== undefined) throw refusal;
    const { draft } = this;
    const { operation, offset } = draft;
    const errno = this.#describe();
    const { lease, kept, length } = this.#transfer;
    let result = errno;
    let node = 0;
    if (errno === 0) {
      this.#push(NO_SLOT, operation, draft.argument);
      result = this.#ring.runSync();
      node = this.#ring.syncNode;
    }
    draft.clear();
    this.#transfer.clear();
    let error: Error | undefined;
    if (lease !== undefined) {
      if (result >= 0 && readsData(operation)) error = copyOut(lease, kept, length);
      this.#slab.release(lease);
    }
    if (result < 0) error = this.#failure(NO_SLOT, operation, offset, length, result, node);
    if (error !== undefined) throw error;
    return result;
  }

  /** Resolves when the request's callback has run; at once if it has already. */
  finished(ticket: Ticket): Promise<void> {
    const slot = this.#slots.find(ticket);
    if (slot < 0) return Promise.resolve();
    if (this.#slots.owner[slot] !== this) {
      return Promise.reject(new BlockUsageError('the request belongs to another backend'));
    }
    return new Promise((resolve) => {
      const earlier = this.#cancelled.get(ticket);
      this.#cancelled.set(ticket, () => {
        earlier?.();
        resolve();
      });
    });
  }

  settle(slot: number, result: number, node: number): void {
    const slots = this.#slots;
    const known = slots.operation[slot] as number;
    const operation = known & ~LEASED;
    const length = slots.length[slot] as number;
    let error: Error | undefined;
    if (known !== operation) {
      const lease = slots.kept[slot] as Lease;
      if (result >= 0 && readsData(operation)) error = copyOut(lease, lease.kept, length);
      this.#slab.release(lease);
    }
    if (result < 0) {
      const signal = slots.signals.get(slot);
      error =
        result === Errno.ECANCELED && signal?.aborted
          ? new AbortError(signal.reason)
          : this.#failure(slot, operation, slots.offset[slot] as number, length, result, node);
    }
    this.#finish(slot, result, error);
  }

  #finish(slot: number, result: number, error: Error | undefined): void {
    const slots = this.#slots;
    const done = slots.done[slot];
    const reject = slots.reject[slot];
    const signal = slots.signals.size === 0 ? undefined : slots.signals.get(slot);
    const ticket = this.#cancelled.size === 0 ? 0 : slots.ticket(slot);
    if (signal !== undefined) this.#abortSignals.forget(signal, slots.ticket(slot));
    slots.release(slot);
    if (reject === undefined) runCallback(done as RequestCallback, error ?? null, result);
    else if (error === undefined) (done as (value: number) => void)(result);
    else reject(error);
    if (ticket !== 0) this.#tellCanceller(ticket);
  }

  #tellCanceller(ticket: Ticket): void {
    const tell = this.#cancelled.get(ticket);
    this.#cancelled.delete(ticket);
    tell?.();
  }

  #refusal(): Error | undefined {
    const { signal, operation } = this.draft;
    if (this.#handle === 0) {
      const details = { operation: OPERATION_NAMES[operation] ?? '', device: this.#owner.name };
      return new BlockError(Errno.ENOMEDIUM, { ...details, text: 'the backend is closed' });
    }
    return signal?.aborted ? new AbortError(signal.reason) : undefined;
  }

  #submit(slot: number): void {
    const { draft } = this;
    const slots = this.#slots;
    const errno = this.#describe();
    slots.offset[slot] = draft.offset;
    slots.length[slot] = this.#transfer.length;
    this.#keep(slot, draft.operation);
    if (draft.signal !== undefined) this.#watch(slot, draft.signal);
    if (errno === 0) {
      this.#push(slot, draft.operation, draft.argument);
    } else {
      // Without memory the request cannot run, but it is counted and told of like any other.
      this.#transfer.setNone(0);
      this.#push(slot, Operation.abort, errno);
    }
    draft.clear();
    this.#transfer.clear();
    this.#ring.arm();
  }

  #keep(slot: number, operation: number): void {
    const slots = this.#slots;
    const { kept, lease } = this.#transfer;
    if (lease === undefined) {
      slots.operation[slot] = operation;
      slots.kept[slot] = kept;
      return;
    }
    slots.operation[slot] = operation | LEASED;
    lease.kept = kept;
    slots.kept[slot] = lease;
  }

  /** Finds memory for the draft; 0 or a negative errno. */
  #describe(): number {
    const { buffer, buffers, operation, length } = this.draft;
    const copiesIn = operation !== Operation.read || this.#owner.leavesReadBuffers;
    if (buffer !== undefined) return this.#transfer.setBuffer(buffer, copiesIn);
    if (buffers !== undefined) return this.#transfer.setVector(buffers, copiesIn);
    this.#transfer.setNone(length);
    // A copy has no memory, so the word is free for the other backend.
    if (operation === Operation.copyRange) this.#transfer.regionOffset = this.draft.target;
    return 0;
  }

  #push(slot: number, operation: number, argument: number): void {
    const { draft } = this;
    const transfer = this.#transfer;
    const { buffers } = transfer;
    this.#ring.push(
      slot,
      operation | (draft.flags << 8),
      this.#handle,
      draft.offset,
      transfer.length,
      transfer.region,
      transfer.regionOffset,
      argument,
      buffers,
      draft.account ?? this.#defaultAccount(slot),
    );
    if (buffers <= 1) return;
    for (let index = 0; index < buffers; index += 2) {
      const { vectorRegions, vectorOffsets, vectorLengths } = transfer;
      const count = Math.min(2, buffers - index);
      this.#ring.pushVector(vectorRegions, vectorOffsets, vectorLengths, index, count);
    }
  }

  #defaultAccount(slot: number): number {
    // A synchronous request is its caller's own business (ACCT-1).
    const types = slot === NO_SLOT ? NOT_ACCOUNTED : this.#accountTypes;
    return types[this.draft.operation] as number;
  }

  #watch(slot: number, signal: AbortSignal): void {
    this.#slots.signals.set(slot, signal);
    this.#abortSignals.watch(signal, this.#slots.ticket(slot));
  }

  #failure(
    slot: number,
    operation: number,
    offset: number,
    length: number,
    errno: number,
    node: number,
  ): BlockError {
    const ranged = isRanged(operation);
    const transfers = operation === Operation.read || operation === Operation.write;
    const report =
      operation === Operation.truncate ? this.#ring.binding.takeReport(slot) : undefined;
    const copies = operation === Operation.copyRange;
    const request = { errno, node, offset, length, ranged, transfers, copies };
    return new BlockError(errno, {
      text: report ? failureText(report) : requestText(request, this.#owner.medium()),
      operation: OPERATION_NAMES[operation] ?? `operation ${operation}`,
      device: this.#owner.name,
      node: node === 0 ? undefined : this.#owner.nodeName(node),
      offset: ranged || operation === Operation.truncate ? offset : undefined,
      length: ranged ? length : undefined,
    });
  }
}

function readsData(operation: number): boolean {
  return operation === Operation.read || ANSWERS.has(operation);
}

function resultOf(error: Error): number {
  return error instanceof BlockError ? error.errno : Errno.EINVAL;
}
