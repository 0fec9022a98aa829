// The way of requests into native/ and of their results back.
//
//   push() -> descriptors in shared memory -> one process.nextTick per batch -> flush()
//   settle() <- completions in shared memory <- flush() (inline) or deliver() (from the loop)

import { failureError } from '../errors/native-failure.js';
import { checkLayout } from './layout.js';
import { type Handle, isFailure, type NativeBinding } from './native-binding.js';
import {
  Completion,
  CompletionEvent,
  Descriptor,
  Header,
  Operation,
  SUBMISSION_CAPACITY,
} from './protocol.js';
import type { Placement } from './regions.js';
import { SlotTable } from './slots.js';

/** The slot of a request that is run synchronously and needs none. */
export const NO_SLOT = -1;

/** Told about what nobody asked for. */
export interface RingListener {
  idle(): void;
  resized(node: number): void;
  warned(node: number, what: number): void;
  thresholdsPassed(): void;
}

export class Ring {
  readonly slots = new SlotTable();
  readonly binding: NativeBinding;
  listener: RingListener | undefined;
  /** Called before each batch is handed over. */
  onBatch: (() => void) | undefined;
  /** Clients of NBD servers wait for an answer. */
  onNbdQuestion: (() => void) | undefined;

  // Looked up once: the binding has so many functions that V8 keeps them in a hash table.
  readonly #flushNative: () => number;
  readonly #runSync: () => number;
  readonly #header: Int32Array;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #completionWords: Int32Array;
  readonly #completionFloats: Float64Array;
  #armed = false;
  #settling = false;

  constructor(binding: NativeBinding) {
    this.binding = binding;
    this.#flushNative = binding.flush;
    this.#runSync = binding.runSync;
    const memory = binding.initialize((count) => this.#deliver(count));
    if (isFailure(memory)) throw failureError(memory, { operation: 'initialize' });
    checkLayout(memory.layout);
    this.#header = new Int32Array(memory.header);
    this.#words = new Int32Array(memory.submission);
    this.#floats = new Float64Array(memory.submission);
    this.#completionWords = new Int32Array(memory.completion);
    this.#completionFloats = new Float64Array(memory.completion);
  }

  /** Runs the request that was pushed last, with {@link NO_SLOT}, to its end; gives its result. */
  runSync(): number {
    const run = this.#runSync;
    const result = run();
    // Others may have finished meanwhile.
    this.arm();
    return result;
  }

  /** Node where the last synchronous request failed. */
  get syncNode(): number {
    return this.#header[Header.syncNode] as number;
  }

  /**
   * Writes the descriptor of one request. With more than one buffer, pushVector() must follow at
   * once for all of them, and room for them is made here.
   */
  push(
    slot: number,
    operation: number,
    backend: Handle,
    offset: number,
    length: number,
    region: number,
    regionOffset: number,
    argument: number,
    buffers: number,
    account: number,
  ): void {
    const at = this.#reserve(buffers > 1 ? 1 + ((buffers + 1) >> 1) : 1);
    const words = this.#words;
    const floats = this.#floats;
    const word = at * Descriptor.words;
    const float = at * Descriptor.floats;
    words[word + Descriptor.operation] = operation;
    words[word + Descriptor.slot] = slot;
    words[word + Descriptor.region] = region;
    words[word + Descriptor.buffers] = buffers;
    words[word + Descriptor.account] = account;
    words[word + Descriptor.generation] =
      slot === NO_SLOT ? 0 : (this.slots.generation[slot] as number);
    floats[float + Descriptor.backend] = backend;
    floats[float + Descriptor.offset] = offset;
    floats[float + Descriptor.length] = length;
    floats[float + Descriptor.regionOffset] = regionOffset;
    floats[float + Descriptor.argument] = argument;
    this.#header[Header.submitted] = at + 1;
  }

  /** As push(), of a read or write of one buffer that says nothing else. */
  pushPlaced(
    slot: number,
    operation: number,
    backend: Handle,
    offset: number,
    { region, offset: regionOffset, length }: Placement,
    account: number,
  ): void {
    this.push(slot, operation, backend, offset, length, region, regionOffset, 0, 1, account);
  }

  /** Continues the last pushed request with entries [index, index + count), count 1 or 2. */
  pushVector(
    regions: readonly number[],
    offsets: readonly number[],
    lengths: readonly number[],
    index: number,
    count: number,
  ): void {
    const at = this.#header[Header.submitted] as number;
    const word = at * Descriptor.words;
    const float = at * Descriptor.floats;
    this.#words[word + Descriptor.operation] = Operation.vector;
    this.#words[word + Descriptor.slot] = count;
    this.#words[word + 2] = regions[index] as number;
    this.#floats[float + 2] = offsets[index] as number;
    this.#floats[float + 3] = lengths[index] as number;
    if (count === 2) {
      this.#words[word + 8] = regions[index + 1] as number;
      this.#floats[float + 5] = offsets[index + 1] as number;
      this.#floats[float + 6] = lengths[index + 1] as number;
    }
    this.#header[Header.submitted] = at + 1;
  }

  /** Makes sure that what was pushed or asked for is handed over in this turn of the loop. */
  arm(): void {
    // The settle loop ends with a flush of its own.
    if (this.#armed || this.#settling) return;
    this.#armed = true;
    process.nextTick(this.#flushTick);
  }

  readonly #flushTick = (): void => {
    this.#armed = false;
    this.onBatch?.();
    this.#flush();
  };

  #reserve(descriptors: number): number {
    const submitted = this.#header[Header.submitted] as number;
    if (submitted + descriptors <= SUBMISSION_CAPACITY) return submitted;
    this.binding.submit();
    return this.#header[Header.submitted] as number;
  }

  #deliver(count: number): void {
    this.#settle(count);
    this.#flush();
  }

  #flush(): void {
    // A callback that runs ticks by itself must not disturb the batch that called it.
    if (this.#settling) return;
    const flush = this.#flushNative;
    for (let count = flush(); count > 0; count = flush()) {
      this.#settle(count);
    }
  }

  #settle(count: number): void {
    const words = this.#completionWords;
    const floats = this.#completionFloats;
    const { slots } = this;
    this.#settling = true;
    for (let index = 0; index < count; index += 1) {
      const slot = words[index * Completion.words + Completion.slot] as number;
      const node = words[index * Completion.words + Completion.node] as number;
      const result = floats[index * Completion.floats + Completion.result] as number;
      try {
        if (slot >= 0) slots.owner[slot]?.settle(slot, result, node);
        else this.#event(slot, node, result);
      } catch (error) {
        // Whatever it is, it must not take the rest of the batch with it.
        process.nextTick(rethrow, error);
      }
    }
    this.#settling = false;
  }

  #event(kind: number, node: number, value: number): void {
    if (kind === CompletionEvent.idle) this.listener?.idle();
    else if (kind === CompletionEvent.resized) this.listener?.resized(node);
    else if (kind === CompletionEvent.warning) this.listener?.warned(node, value);
    else if (kind === CompletionEvent.writeThreshold) this.listener?.thresholdsPassed();
    else if (kind === CompletionEvent.nbdQuestion) this.onNbdQuestion?.();
  }
}

function rethrow(error: unknown): never {
  throw error;
}
