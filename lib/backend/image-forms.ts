import { StatusQuery } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import { lookupNode } from '../graph/lookup.js';
import type { BlockNode } from '../graph/node.js';
import type { ByteCount } from './arguments.js';
import {
  type Allocation,
  type AllocationDepth,
  type BlockStatus,
  StatusQueryMemory,
} from './block-status.js';
import type { RequestOptions, ZeroOptions } from './options.js';
import { RequestForms } from './request-forms.js';

/** How a block status is asked for. */
export interface BlockStatusOptions extends RequestOptions {
  /**
   * Whether zeroes are to be told from other data. false: the cheapest answer that tells what is
   * allocated. Default true.
   */
  readonly wantZero?: boolean | undefined;
}

/** How a block status of several layers is asked for. */
export interface AboveOptions extends BlockStatusOptions {
  /** Whether `base` itself is asked as well. Default false. */
  readonly includeBase?: boolean | undefined;
}

/** How a make-zero may zero. */
export type MakeZeroOptions = Omit<ZeroOptions, 'compressed' | 'noWait'>;

interface Query {
  readonly memory: StatusQueryMemory;
  readonly flags: number;
}

function oneLayer({ wantZero = true }: BlockStatusOptions): Query {
  return { memory: new StatusQueryMemory(0), flags: wantZero ? StatusQuery.wantZero : 0 };
}

function above(base: BlockNode | string | undefined, options: AboveOptions): Query {
  const { wantZero = true, includeBase = false } = options;
  const flags =
    StatusQuery.above |
    (wantZero ? StatusQuery.wantZero : 0) |
    (includeBase ? StatusQuery.includeBase : 0);
  return { memory: new StatusQueryMemory(base === undefined ? 0 : nodeId(base)), flags };
}

function nodeId(base: BlockNode | string): number {
  const node = typeof base === 'string' ? lookupNode(base, base) : base;
  if (!node.isClosed) return node.id;
  const text = `the node '${node.name}' is closed`;
  throw new BlockError(Errno.ENOMEDIUM, { operation: 'block_status', node: node.name, text });
}

const nodeName = (id: number): string | undefined => graph().nodeName(id);

/**
 * Requests about a disk as an image: what its ranges are, and what is done to all of it.
 *
 * They are requests like any other: counted, and parked in a drained section.
 */
export abstract class ImageForms extends RequestForms {
  /**
   * What the first bytes of the range are, and how many of them are alike: ask again behind them for
   * the rest. The top layer only, filters looked through. `offset` and `length` are bytes and need
   * not be aligned; EIO: one of them is negative. (bdrv_block_status)
   */
  async blockStatus(
    offset: ByteCount,
    length: ByteCount,
    options: BlockStatusOptions = {},
  ): Promise<BlockStatus> {
    return this.#status(offset, length, oneLayer(options), options);
  }

  /** Like {@link blockStatus}, and waits for it. */
  blockStatusSync(
    offset: ByteCount,
    length: ByteCount,
    options: BlockStatusOptions = {},
  ): BlockStatus {
    const { memory, flags } = oneLayer(options);
    const draft = this.port.draft.blockStatus(offset, length, memory.words, flags);
    return memory.answer(this.port.sync(draft), nodeName);
  }

  /**
   * The same of the first layer that has the range allocated, down to `base`, or to the end of the
   * backing chain without one. EINVAL: `base` is not below. (bdrv_block_status_above)
   */
  async blockStatusAbove(
    base: BlockNode | string | undefined,
    offset: ByteCount,
    length: ByteCount,
    options: AboveOptions = {},
  ): Promise<BlockStatus> {
    return this.#status(offset, length, above(base, options), options);
  }

  /** Whether the top layer has the range allocated, be it as zeroes. (bdrv_is_allocated) */
  async isAllocated(
    offset: ByteCount,
    length: ByteCount,
    options: RequestOptions = {},
  ): Promise<Allocation> {
    const query = oneLayer({ wantZero: false });
    const { bytes } = await this.#status(offset, length, query, options);
    return Object.freeze({ allocated: query.memory.isAllocated, bytes });
  }

  /** Like {@link isAllocated}, and waits for it. */
  isAllocatedSync(offset: ByteCount, length: ByteCount): Allocation {
    const { allocated, bytes } = this.blockStatusSync(offset, length, { wantZero: false });
    return Object.freeze({ allocated, bytes });
  }

  /**
   * Which layer above `base`, or of the whole chain without one, has the range allocated.
   * (bdrv_is_allocated_above)
   */
  async isAllocatedAbove(
    base: BlockNode | string | undefined,
    offset: ByteCount,
    length: ByteCount,
    options: AboveOptions = {},
  ): Promise<AllocationDepth> {
    const query = above(base, { ...options, wantZero: false });
    const { bytes } = await this.#status(offset, length, query, options);
    const { memory } = query;
    return Object.freeze({ depth: memory.isAllocated ? memory.depth : 0, bytes });
  }

  /**
   * Makes all of the disk read as zeroes; what does so already is left alone. Zero-writes like those
   * of a parent node: mayUnmap counts only when the medium was opened with discard=unmap. Resolves
   * to 0. (blk_make_zero)
   */
  makeZero(options?: MakeZeroOptions): Promise<number> {
    return this.port.promise(this.port.draft.makeZero(options));
  }

  /** Like {@link makeZero}, and waits for it. */
  makeZeroSync(options?: MakeZeroOptions): number {
    return this.port.sync(this.port.draft.makeZero(options));
  }

  /**
   * Forgets all that this image has allocated, so that its backing file shows through. ENOTSUP: the
   * driver cannot. EPERM without the permission to write, or to write what is there already.
   * Resolves to 0. (blk_make_empty)
   */
  makeEmpty(options?: RequestOptions): Promise<number> {
    return this.port.promise(this.port.draft.makeEmpty(options));
  }

  /** Like {@link makeEmpty}, and waits for it. */
  makeEmptySync(): number {
    return this.port.sync(this.port.draft.makeEmpty());
  }

  /**
   * Looks for errors in the metadata of the image; resolves to their number. ENOTSUP: its format has
   * none. (bdrv_check)
   */
  check(options?: RequestOptions): Promise<number> {
    return this.port.promise(this.port.draft.check(options));
  }

  /** Like {@link check}, and waits for it. */
  checkSync(): number {
    return this.port.sync(this.port.draft.check());
  }

  async #status(
    offset: ByteCount,
    length: ByteCount,
    { memory, flags }: Query,
    { signal }: RequestOptions,
  ): Promise<BlockStatus> {
    const options = signal === undefined ? undefined : { signal };
    const draft = this.port.draft.blockStatus(offset, length, memory.words, flags, options);
    return memory.answer(await this.port.promise(draft), nodeName);
  }
}
