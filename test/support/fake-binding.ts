// The part of the addon that the ring, the slab and the pool use, in memory: requests complete with
// their length when they are flushed.
import type { NativeBinding } from '../../lib/aio/native-binding.js';
import * as protocol from '../../lib/aio/protocol.js';

const { Completion, Descriptor, Header, SUBMISSION_CAPACITY, COMPLETION_CAPACITY } = protocol;

function layout(): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(protocol)) {
    if (typeof value === 'number') numbers[name] = value;
    else for (const [key, number] of Object.entries(value)) numbers[`${name}.${key}`] = number;
  }
  return numbers;
}

export class FakeBinding {
  readonly calls: string[] = [];
  readonly regions = new Map<number, number>();
  readonly layout = layout();
  readonly #header = new ArrayBuffer(Header.bytes);
  readonly #submission = new ArrayBuffer(SUBMISSION_CAPACITY * Descriptor.bytes);
  readonly #completion = new ArrayBuffer(COMPLETION_CAPACITY * Completion.bytes);
  readonly #done: { slot: number; result: number }[] = [];
  #nextRegion = 1;

  /** As what lib/ takes it for. */
  get binding(): NativeBinding {
    return this as unknown as NativeBinding;
  }

  initialize(): object {
    return {
      header: this.#header,
      submission: this.#submission,
      completion: this.#completion,
      layout: this.layout,
    };
  }

  submit(): void {
    this.calls.push('submit');
    this.#ingest();
  }

  readonly runSync = (): number => 0;

  readonly flush = (): number => {
    this.calls.push('flush');
    this.#ingest();
    const words = new Int32Array(this.#completion);
    const floats = new Float64Array(this.#completion);
    const batch = this.#done.splice(0, COMPLETION_CAPACITY);
    for (const [index, { slot, result }] of batch.entries()) {
      words[index * Completion.words + Completion.slot] = slot;
      words[index * Completion.words + Completion.node] = 0;
      floats[index * Completion.floats + Completion.result] = result;
    }
    return batch.length;
  };

  /** Something that nobody submitted. */
  announce(event: number, value = 0): void {
    this.#done.push({ slot: event, result: value });
  }

  regionCreate(bytes: number): object {
    const id = this.#nextRegion;
    this.#nextRegion += 1;
    this.regions.set(id, bytes);
    return { id, buffer: new ArrayBuffer(bytes) };
  }

  regionRelease(id: number): void {
    this.regions.delete(id);
  }

  #ingest(): void {
    const header = new Int32Array(this.#header);
    const words = new Int32Array(this.#submission);
    const floats = new Float64Array(this.#submission);
    const submitted = header[Header.submitted] ?? 0;
    for (let index = 0; index < submitted; index += 1) {
      const slot = words[index * Descriptor.words + Descriptor.slot] ?? 0;
      const result = floats[index * Descriptor.floats + Descriptor.length] ?? 0;
      this.#done.push({ slot, result });
    }
    header[Header.submitted] = 0;
  }
}
