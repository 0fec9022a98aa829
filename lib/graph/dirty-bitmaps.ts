// What was changed in a node since somebody began to watch (BdrvDirtyBitmap).

import type { Handle, NativeBinding } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** QAPI: BlockDirtyInfo. */
export interface BlockDirtyInfo {
  readonly name: string;
  /** Bytes that one bit stands for. */
  readonly granularity: number;
  /** Dirty bytes, each bit's whole. */
  readonly count: number;
  /** Changes are noted. */
  readonly recording: boolean;
  /** An operation uses it; none does yet. */
  readonly busy: boolean;
  /** It is kept in the image; no format here can. */
  readonly persistent: boolean;
  /** It says nothing any more: there was no memory to follow the node's length. */
  readonly inconsistent?: true;
}

/** How a new bitmap is made. (QAPI: BlockDirtyBitmapAdd) */
export interface DirtyBitmapSettings {
  /** In bytes, a power of two from 512 to 2^31. Default: the image's cluster size, else 64 KiB. */
  readonly granularity?: number | undefined;
  /** It notes nothing until it is enabled. Default false. */
  readonly disabled?: boolean | undefined;
}

const LONGEST_NAME = 1023;
const FINEST = 512;
const COARSEST = 2 ** 31;

/** The bitmaps of one node, by name; gone when it is closed. In order with requests. */
export class DirtyBitmaps {
  readonly #binding: NativeBinding;
  readonly #node: string;
  readonly #handle: () => Handle;

  /** @internal */
  constructor(binding: NativeBinding, node: string, handle: () => Handle) {
    this.#binding = binding;
    this.#node = node;
    this.#handle = handle;
  }

  /** In the order in which they were made. */
  list(): BlockDirtyInfo[] {
    return this.#binding.nodeBitmaps(this.#handle()).map(({ inconsistent, ...bitmap }) =>
      Object.freeze({
        ...bitmap,
        busy: false,
        persistent: false,
        ...(inconsistent ? { inconsistent } : {}),
      }),
    );
  }

  /**
   * Begins to watch: nothing is dirty yet.
   *
   * @throws BlockError EEXIST for a name in use; EINVAL for one that is empty or longer than 1,023
   *   bytes, and for another granularity; ENOMEM.
   */
  add(name: string, { granularity = 0, disabled = false }: DirtyBitmapSettings = {}): void {
    this.#checkName(name);
    this.#checkGranularity(granularity);
    this.#call(name, this.#binding.nodeBitmapAdd(this.#handle(), name, granularity, !disabled));
  }

  /** Forgets a bitmap. @throws BlockError ENOENT, like the others below. */
  remove(name: string): void {
    this.#call(name, this.#binding.nodeBitmapRemove(this.#handle(), name));
  }

  /** Nothing is dirty any more. */
  clear(name: string): void {
    this.#call(name, this.#binding.nodeBitmapClear(this.#handle(), name));
  }

  /** From now on it notes what is changed. @throws BlockError ENOENT */
  enable(name: string): void {
    this.#call(name, this.#binding.nodeBitmapRecord(this.#handle(), name, true));
  }

  /** It keeps what it has, and notes nothing more. */
  disable(name: string): void {
    this.#call(name, this.#binding.nodeBitmapRecord(this.#handle(), name, false));
  }

  /**
   * What is dirty in one of the others is dirty in `target` as well. All are there, or none is
   * merged.
   */
  merge(target: string, others: readonly string[]): void {
    const names = new Set(this.list().map(({ name }) => name));
    for (const name of [target, ...others]) {
      if (!names.has(name)) throw this.#error(Errno.ENOENT, `there is no bitmap '${name}'`);
    }
    for (const name of others) {
      this.#call(name, this.#binding.nodeBitmapMerge(this.#handle(), target, name));
    }
  }

  #call(name: string, result: number): void {
    if (result === 0) return;
    const texts: Readonly<Record<number, string>> = {
      [Errno.EEXIST]: `there is a bitmap '${name}' already`,
      [Errno.ENOENT]: `there is no bitmap '${name}'`,
      [Errno.ENOMEM]: `there is no memory for the bitmap '${name}'`,
    };
    throw this.#error(result, texts[result] ?? `the node is closed`);
  }

  #checkName(name: string): void {
    if (name === '') throw this.#error(Errno.EINVAL, 'the name of a bitmap must not be empty');
    if (Buffer.byteLength(name) > LONGEST_NAME) {
      const text = `the name of a bitmap has at most ${LONGEST_NAME} bytes`;
      throw this.#error(Errno.EINVAL, text);
    }
  }

  #checkGranularity(granularity: number): void {
    const isPower = Number.isInteger(Math.log2(granularity));
    const isInside = granularity >= FINEST && granularity <= COARSEST;
    if (granularity === 0 || (isPower && isInside)) return;
    const text = `the granularity must be a power of 2 from ${FINEST} to ${COARSEST}, not ${granularity}`;
    throw this.#error(Errno.EINVAL, text);
  }

  #error(errno: number, text: string): BlockError {
    return new BlockError(errno, { operation: 'dirty bitmap', node: this.#node, text });
  }
}
