import { environment } from '../aio/environment.js';
import { invalidArgumentType, outOfRange } from '../errors/argument-errors.js';
import { bufferProblem } from './arguments.js';
import { BackendOwnerCounts } from './owner-counts.js';

/** Without a medium, and the most that a vector can have (IOV_MAX). */
const DEFAULT_MAX_IOV = 1024;
const PAGE = 4096;

/** What requests should look like, and what memory they should have. */
export abstract class BackendLimits extends BackendOwnerCounts {
  /** Buffers that one request can have without being copied together. (blk_get_max_iov) */
  get maxIov(): number {
    return this.root?.info().maxIov || DEFAULT_MAX_IOV;
  }

  /**
   * Where buffers should begin, in bytes, so that requests need no copy: at least a page.
   * allocate() goes by it. (blk_blockalign)
   */
  get memoryAlignment(): number {
    return Math.max(PAGE, this.root?.info().optimalMemoryAlignment ?? 0);
  }

  /**
   * The size of the blocks that the guest's disk has, in bytes, for whoever wants to know: 0 until
   * a device sets it, 512 after a device has gone. (blk_set_guest_block_size)
   */
  get guestBlockSize(): number {
    return this.graphRoot.guestBlockSize;
  }

  set guestBlockSize(bytes: number) {
    if (typeof bytes !== 'number') {
      throw invalidArgumentType('guestBlockSize', 'of type number', bytes);
    }
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw outOfRange('guestBlockSize', 'an integer of at least 0', bytes);
    }
    this.graphRoot.guestBlockSize = bytes;
  }

  /**
   * Makes shared memory known now instead of with the first request that uses it. Memory of
   * allocate() is known already, and other memory is copied all the same, so for them and without a
   * medium this does nothing. (blk_register_buf)
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  registerBuffer(view: ArrayBufferView): void {
    const problem = bufferProblem('view', view);
    if (problem !== undefined) throw problem;
    environment().regions.find(view);
  }

  /**
   * The counterpart, for symmetry: memory stays known as long as anybody can see it, because
   * requests may still be using it. (blk_unregister_buf)
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  unregisterBuffer(view: ArrayBufferView): void {
    const problem = bufferProblem('view', view);
    if (problem !== undefined) throw problem;
  }
}
