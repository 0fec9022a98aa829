import { isFailure } from '../aio/native-binding.js';
import { Operation } from '../aio/protocol.js';
import { outOfRange } from '../errors/argument-errors.js';
import { failureError } from '../errors/native-failure.js';
import type { ByteCount } from './arguments.js';
import type { CopyTarget } from './copy-target.js';
import type {
  CopyOptions,
  RequestOptions,
  TruncateOptions,
  WriteOptions,
  ZeroOptions,
} from './options.js';
import type { RequestPort } from './request-port.js';

/**
 * The requests of a block backend, as promises and as synchronous calls.
 *
 * Offsets and lengths are bytes. Order of calls is order of submission; completion order is free.
 * Arguments of a wrong type reject with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or
 * ERR_OUT_OF_RANGE; everything else rejects with a {@link BlockError}: EIO for a negative range or
 * one that passes the end, ENOMEDIUM without a medium or on a closed backend, EPERM on a read-only
 * node, and whatever the driver gives. Nothing ever throws before a promise was returned.
 *
 * Memory from `allocate()` and views of a SharedArrayBuffer are used as they are: do not touch them
 * until the request is done. All other memory is copied: writes when they are submitted, reads when
 * they complete.
 *
 * The synchronous forms run neither JavaScript nor the event loop meanwhile, and block the thread.
 * They throw EDEADLK when only JavaScript could finish the request, as in a drained section.
 */
export abstract class RequestForms {
  /** @internal */
  protected abstract readonly port: RequestPort;

  /**
   * Reads `buffer.byteLength` bytes and resolves to that number. A range that straddles the end
   * fails as a whole. (block-backend.c: blk_pread)
   */
  pread(offset: ByteCount, buffer: ArrayBufferView, options?: RequestOptions): Promise<number> {
    return this.port.promiseBuffer(Operation.read, offset, buffer, options);
  }

  /**
   * The same past all throttling of the backend, which is not charged either; throttle nodes below
   * throttle it as any other. For what a guest has not asked for, such as guessing a geometry.
   * (blk_pread_unthrottled)
   */
  preadUnthrottled(
    offset: ByteCount,
    buffer: ArrayBufferView,
    options?: RequestOptions,
  ): Promise<number> {
    return this.port.promise(this.port.draft.readUnthrottled(offset, buffer, options));
  }

  /** Writes all of `buffer` and resolves to the number of bytes. (blk_pwrite) */
  pwrite(offset: ByteCount, buffer: ArrayBufferView, options?: WriteOptions): Promise<number> {
    return this.port.promiseBuffer(Operation.write, offset, buffer, options);
  }

  /** Reads into several buffers, one after the other, in one request. (blk_preadv) */
  preadv(
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    options?: RequestOptions,
  ): Promise<number> {
    return this.port.promise(this.port.draft.readv(offset, buffers, options));
  }

  /** Writes several buffers, one after the other, in one request. (blk_pwritev) */
  pwritev(
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    options?: WriteOptions,
  ): Promise<number> {
    return this.port.promise(this.port.draft.writev(offset, buffers, options));
  }

  /**
   * Writes all of `buffer` compressed, where the driver can, and resolves to the number of bytes;
   * ENOTSUP where it cannot. Not durable at once, even without a write cache.
   * (blk_pwrite_compressed)
   */
  pwriteCompressed(offset: ByteCount, buffer: ArrayBufferView): Promise<number> {
    return this.port.promise(this.port.draft.write(offset, buffer, { compressed: true }));
  }

  /** Makes a range read as zeroes; resolves to 0. (blk_pwrite_zeroes) */
  pwriteZeroes(offset: ByteCount, bytes: ByteCount, options?: ZeroOptions): Promise<number> {
    return this.port.promise(this.port.draft.writeZeroes(offset, bytes, options));
  }

  /**
   * Tells that a range is not needed any more; resolves to 0. Does nothing unless the node was
   * opened with discard=unmap and the driver can. (blk_pdiscard)
   */
  pdiscard(offset: ByteCount, bytes: ByteCount, options?: RequestOptions): Promise<number> {
    return this.port.promise(this.port.draft.discard(offset, bytes, options));
  }

  /**
   * Copies `bytes` bytes inside the kernel to a backend of the same context, which may be this one;
   * resolves to 0. It neither waits in a drained section nor is made durable, whatever the write
   * cache is. (blk_co_copy_range)
   *
   * EIO, ENOMEDIUM: the source is checked like a read, then the target like a write. ENOTSUP: nothing
   * was written, as the drivers of the two ends cannot, or they live in different contexts; read and
   * write instead. ENOSPC may mean the same to file systems. Whatever else copy_file_range(2) gives.
   */
  copyRange(
    offset: ByteCount,
    target: CopyTarget,
    targetOffset: ByteCount,
    bytes: ByteCount,
    options?: CopyOptions,
  ): Promise<number> {
    const problem = this.port.draft.copyRange(offset, target, targetOffset, bytes, options);
    return this.port.promise(problem);
  }

  /**
   * Makes durable what was written and had completed before this call; resolves to 0. (blk_flush)
   */
  flush(options?: RequestOptions): Promise<number> {
    return this.port.promise(this.port.draft.flush(options));
  }

  /**
   * Resizes to `size` bytes; resolves to 0. Needs the permission to resize. Runs even in a drained
   * section. EINVAL: negative. EACCES: read-only. ENOTSUP: the driver cannot. (blk_truncate)
   */
  truncate(size: ByteCount, options?: TruncateOptions): Promise<number> {
    return this.port.promise(this.port.draft.truncate(size, options));
  }

  /**
   * A driver-specific request; resolves to its return value. `buffer` is read, written or both, and
   * must hold the size that the request encodes. ENOTSUP: the driver has none. EINVAL: a request of
   * unknown size. (blk_ioctl)
   */
  ioctl(request: number, buffer?: ArrayBufferView, options?: RequestOptions): Promise<number> {
    return this.port.promise(this.port.draft.ioctl(request, buffer, options));
  }

  /** The length in bytes, a multiple of 512. (blk_getlength) */
  getLength(): Promise<number> {
    return this.port.promise(this.port.draft.askLength());
  }

  /**
   * A request that does nothing but complete with `result`: a negative errno, or a value. Works
   * without a medium. (blk_abort_aio_request)
   */
  abortRequest(result: number): Promise<number> {
    return this.port.promise(this.port.draft.abort(result));
  }

  /** Like {@link pread}, and waits for it. */
  preadSync(offset: ByteCount, buffer: ArrayBufferView): number {
    return this.port.syncBuffer(Operation.read, offset, buffer);
  }

  /** Like {@link preadUnthrottled}, and waits for it. */
  preadUnthrottledSync(offset: ByteCount, buffer: ArrayBufferView): number {
    return this.port.sync(this.port.draft.readUnthrottled(offset, buffer));
  }

  /** Like {@link pwrite}, and waits for it. */
  pwriteSync(offset: ByteCount, buffer: ArrayBufferView, options?: WriteOptions): number {
    return this.port.syncBuffer(Operation.write, offset, buffer, options);
  }

  /** Like {@link preadv}, and waits for it. */
  preadvSync(offset: ByteCount, buffers: readonly ArrayBufferView[]): number {
    return this.port.sync(this.port.draft.readv(offset, buffers));
  }

  /** Like {@link pwritev}, and waits for it. */
  pwritevSync(
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    options?: WriteOptions,
  ): number {
    return this.port.sync(this.port.draft.writev(offset, buffers, options));
  }

  /** Like {@link pwriteCompressed}, and waits for it. */
  pwriteCompressedSync(offset: ByteCount, buffer: ArrayBufferView): number {
    return this.port.sync(this.port.draft.write(offset, buffer, { compressed: true }));
  }

  /** Like {@link pwriteZeroes}, and waits for it. */
  pwriteZeroesSync(offset: ByteCount, bytes: ByteCount, options?: ZeroOptions): number {
    return this.port.sync(this.port.draft.writeZeroes(offset, bytes, options));
  }

  /** Like {@link pdiscard}, and waits for it. */
  pdiscardSync(offset: ByteCount, bytes: ByteCount): number {
    return this.port.sync(this.port.draft.discard(offset, bytes));
  }

  /** Like {@link copyRange}, and waits for it. */
  copyRangeSync(
    offset: ByteCount,
    target: CopyTarget,
    targetOffset: ByteCount,
    bytes: ByteCount,
    options?: CopyOptions,
  ): number {
    return this.port.sync(this.port.draft.copyRange(offset, target, targetOffset, bytes, options));
  }

  /** Like {@link flush}, and waits for it. */
  flushSync(): number {
    return this.port.sync(this.port.draft.flush());
  }

  /** Like {@link truncate}, and waits for it. */
  truncateSync(size: ByteCount, options?: TruncateOptions): number {
    return this.port.sync(this.port.draft.truncate(size, options));
  }

  /** Like {@link ioctl}, and waits for it. */
  ioctlSync(request: number, buffer?: ArrayBufferView): number {
    return this.port.sync(this.port.draft.ioctl(request, buffer));
  }

  /** Like {@link getLength}, and waits for it. */
  getLengthSync(): number {
    return this.port.sync(this.port.draft.askLength());
  }

  /**
   * Zeroed memory that requests use without copying: aligned, registered with the engine, and not
   * transferable to other threads. It is released when no view of it is left. (blk_blockalign)
   *
   * @throws BlockError ENOMEM. RangeError for anything but an integer of at least 0.
   */
  allocate(bytes: number): Buffer {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw outOfRange('bytes', 'an integer of at least 0', bytes);
    }
    const buffer = this.port.allocate(bytes);
    if (isFailure(buffer)) throw failureError(buffer, { operation: 'allocate', length: bytes });
    return buffer;
  }
}
