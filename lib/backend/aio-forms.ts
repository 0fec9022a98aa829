import { Operation } from '../aio/protocol.js';
import type { RequestCallback } from '../aio/slots.js';
import { type ByteCount, callbackProblem } from './arguments.js';
import type { CopyTarget } from './copy-target.js';
import type { Problem } from './draft.js';
import type { CopyOptions, TruncateOptions, WriteOptions, ZeroOptions } from './options.js';
import type { RequestPort } from './request-port.js';

/** Identifies a request that was submitted with a callback. */
export type AioRequest = number & { readonly __aioRequest: unique symbol };

/**
 * The same requests with callbacks (block-backend.c: blk_aio_*), for owners that keep their own
 * request objects, such as device models: no promise is made.
 *
 * The callback gets `(error, result)`: null and the value, or the error and the negative errno. It
 * runs exactly once and never before the call returned. The backend's in-flight count drops after
 * it returned, except for abortRequest(), where it drops before. What it throws becomes an uncaught
 * exception and does not disturb other requests.
 */
export class AioForms {
  readonly #port: RequestPort;

  /** @internal */
  constructor(port: RequestPort) {
    this.#port = port;
  }

  /** Like {@link BlockBackend.pread}; the result is the number of bytes. (blk_aio_preadv) */
  pread(offset: ByteCount, buffer: ArrayBufferView, callback: RequestCallback): AioRequest {
    return this.#submitBuffer(Operation.read, offset, buffer, callback);
  }

  /** Like {@link BlockBackend.pwrite}; the result is the number of bytes. (blk_aio_pwritev) */
  pwrite(
    offset: ByteCount,
    buffer: ArrayBufferView,
    callback: RequestCallback,
    options?: WriteOptions,
  ): AioRequest {
    return this.#submitBuffer(Operation.write, offset, buffer, callback, options);
  }

  /** Like {@link BlockBackend.preadv}; the result is the number of bytes. (blk_aio_preadv) */
  preadv(
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    callback: RequestCallback,
  ): AioRequest {
    return this.#submit(this.#port.draft.readv(offset, buffers), callback);
  }

  /** Like {@link BlockBackend.pwritev}; the result is the number of bytes. (blk_aio_pwritev) */
  pwritev(
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    callback: RequestCallback,
    options?: WriteOptions,
  ): AioRequest {
    return this.#submit(this.#port.draft.writev(offset, buffers, options), callback);
  }

  /** Like {@link BlockBackend.pwriteZeroes}; the result is 0. (blk_aio_pwrite_zeroes) */
  pwriteZeroes(
    offset: ByteCount,
    bytes: ByteCount,
    callback: RequestCallback,
    options?: ZeroOptions,
  ): AioRequest {
    return this.#submit(this.#port.draft.writeZeroes(offset, bytes, options), callback);
  }

  /** Like {@link BlockBackend.pdiscard}; the result is 0. (blk_aio_pdiscard) */
  pdiscard(offset: ByteCount, bytes: ByteCount, callback: RequestCallback): AioRequest {
    return this.#submit(this.#port.draft.discard(offset, bytes), callback);
  }

  /** Like {@link BlockBackend.copyRange}; the result is 0. */
  copyRange(
    offset: ByteCount,
    target: CopyTarget,
    targetOffset: ByteCount,
    bytes: ByteCount,
    callback: RequestCallback,
    options?: CopyOptions,
  ): AioRequest {
    const { draft } = this.#port;
    return this.#submit(draft.copyRange(offset, target, targetOffset, bytes, options), callback);
  }

  /** Like {@link BlockBackend.flush}; the result is 0. (blk_aio_flush) */
  flush(callback: RequestCallback): AioRequest {
    return this.#submit(this.#port.draft.flush(), callback);
  }

  /** Like {@link BlockBackend.truncate}; the result is 0. */
  truncate(size: ByteCount, callback: RequestCallback, options?: TruncateOptions): AioRequest {
    return this.#submit(this.#port.draft.truncate(size, options), callback);
  }

  /** Like {@link BlockBackend.ioctl}; the result is the driver's answer. (blk_aio_ioctl) */
  ioctl(
    request: number,
    buffer: ArrayBufferView | undefined,
    callback: RequestCallback,
  ): AioRequest {
    return this.#submit(this.#port.draft.ioctl(request, buffer), callback);
  }

  /** Completes with `result`; the in-flight count drops before the callback. */
  abortRequest(result: number, callback: RequestCallback): AioRequest {
    return this.#submit(this.#port.draft.abort(result), callback);
  }

  /**
   * Resolves when the request's callback has run, which got the request's true result: cancelling
   * only waits. (blk_aio_cancel)
   */
  cancel(request: AioRequest): Promise<void> {
    return this.#port.finished(request);
  }

  /** A hint without effect: the callback still runs once, later. (blk_aio_cancel_async) */
  cancelAsync(_request: AioRequest): void {}

  #submit(problem: Problem, callback: RequestCallback): AioRequest {
    checkCallback(callback);
    return this.#port.callback(problem, callback) as AioRequest;
  }

  #submitBuffer(
    operation: number,
    offset: ByteCount,
    buffer: ArrayBufferView,
    callback: RequestCallback,
    options?: WriteOptions,
  ): AioRequest {
    checkCallback(callback);
    const port = this.#port;
    return port.callbackBuffer(operation, offset, buffer, callback, options) as AioRequest;
  }
}

/** Nobody could be told, so this is the one argument error that throws. */
function checkCallback(callback: RequestCallback): void {
  const wrong = callbackProblem(callback);
  if (wrong !== undefined) throw wrong;
}
