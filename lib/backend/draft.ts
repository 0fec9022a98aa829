// The request that is about to be submitted. Promise, callback and synchronous forms all fill this
// one object and hand it to the same submit(); it is used again for the next request.

import type { Handle } from '../aio/native-binding.js';
import { Operation, RequestFlag } from '../aio/protocol.js';
import { invalidArgumentValue, outOfRange } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import {
  attempt,
  type ByteCount,
  bufferProblem,
  buffersProblem,
  byteCountProblem,
  byteLengthOf,
  optionsProblem,
  signalProblem,
} from './arguments.js';
import { type CopyTarget, copyTargetProblem } from './copy-target.js';
import { ioctlPayloadBytes } from './ioctl-requests.js';
import {
  accountProblem,
  type CopyOptions,
  preallocationProblem,
  type RequestOptions,
  requestAccount,
  requestFlags,
  type TruncateOptions,
  truncateArgument,
  type WriteOptions,
  type ZeroOptions,
} from './options.js';

/** An argument error, to be delivered in the way of the form that was called. */
export type Problem = Error | undefined;

const MAX_UINT32 = 2 ** 32 - 1;

export class Draft {
  operation = 0;
  flags = 0;
  offset = 0;
  /** Of requests without data. */
  length = 0;
  argument = 0;
  /** Of a copy: the other backend. */
  target: Handle = 0;
  buffer: ArrayBufferView | undefined;
  buffers: readonly ArrayBufferView[] | undefined;
  signal: AbortSignal | undefined;
  /** AccountType; undefined: as the backend says. */
  account: number | undefined;

  read(offset: ByteCount, buffer: ArrayBufferView, options?: RequestOptions): Problem {
    return this.single(Operation.read, offset, buffer, options);
  }

  readUnthrottled(offset: ByteCount, buffer: ArrayBufferView, options?: RequestOptions): Problem {
    const problem = this.read(offset, buffer, options);
    this.flags |= RequestFlag.unthrottled;
    return problem;
  }

  write(offset: ByteCount, buffer: ArrayBufferView, options?: WriteOptions): Problem {
    return this.single(Operation.write, offset, buffer, options);
  }

  readv(offset: ByteCount, buffers: readonly ArrayBufferView[], options?: RequestOptions): Problem {
    return this.#vectored(Operation.read, offset, buffers, options);
  }

  writev(offset: ByteCount, buffers: readonly ArrayBufferView[], options?: WriteOptions): Problem {
    return this.#vectored(Operation.write, offset, buffers, options);
  }

  writeZeroes(offset: ByteCount, bytes: ByteCount, options?: ZeroOptions): Problem {
    return this.#ranged(Operation.writeZeroes, offset, bytes, options);
  }

  discard(offset: ByteCount, bytes: ByteCount, options?: RequestOptions): Problem {
    return this.#ranged(Operation.discard, offset, bytes, options);
  }

  copyRange(
    offset: ByteCount,
    target: CopyTarget,
    targetOffset: ByteCount,
    bytes: ByteCount,
    options: CopyOptions = {},
  ): Problem {
    return attempt(() => {
      const problem =
        byteCountProblem('offset', offset) ??
        copyTargetProblem(target) ??
        byteCountProblem('targetOffset', targetOffset) ??
        optionsProblem(options);
      if (problem !== undefined) return problem;
      const { handle } = target;
      const zeroes = options.zeroWrite ? RequestFlag.zeroWrite : 0;
      const wrong = this.#ranged(Operation.copyRange, offset, bytes, options);
      this.flags |= zeroes;
      this.argument = Number(targetOffset);
      this.target = handle;
      return wrong;
    });
  }

  flush(options?: RequestOptions): Problem {
    return this.#plain(Operation.flush, 0, 0, options);
  }

  askLength(options?: RequestOptions): Problem {
    return this.#plain(Operation.length, 0, 0, options);
  }

  truncate(size: ByteCount, options: TruncateOptions = {}): Problem {
    const problem = byteCountProblem('size', size) ?? optionsProblem(options);
    if (problem !== undefined) return problem;
    return attempt(() => {
      const wrong = preallocationProblem(options.preallocation);
      if (wrong !== undefined) return wrong;
      return this.#plain(Operation.truncate, Number(size), truncateArgument(options), options);
    });
  }

  ioctl(request: number, buffer?: ArrayBufferView, options?: RequestOptions): Problem {
    if (!Number.isSafeInteger(request) || request < 0 || request > MAX_UINT32) {
      return outOfRange('request', 'an integer from 0 to 2^32 - 1', request);
    }
    const bytes = ioctlPayloadBytes(request);
    if (bytes === undefined) return unknownIoctl(request);
    const data = buffer ?? new Uint8Array(0);
    const problem = bufferProblem('buffer', data);
    if (problem !== undefined) return problem;
    if (byteLengthOf(data) < bytes) {
      return invalidArgumentValue('buffer', `at least ${bytes} bytes long`, buffer);
    }
    const failed = this.#plain(Operation.ioctl, 0, request, options);
    this.buffer = data;
    return failed;
  }

  saveVmstate(position: ByteCount, buffer: ArrayBufferView): Problem {
    return this.single(Operation.saveVmstate, position, buffer, undefined);
  }

  loadVmstate(position: ByteCount, buffer: ArrayBufferView): Problem {
    return this.single(Operation.loadVmstate, position, buffer, undefined);
  }

  /** Of no range: the answer, or all there is to say, lies in `memory`. */
  ask(operation: number, memory: Uint8Array | undefined, argument = 0): Problem {
    const problem = this.#plain(operation, 0, 0, undefined);
    this.argument = argument;
    this.buffer = memory;
    return problem;
  }

  /** `memory` takes the answer; `flags` are those of StatusQuery. */
  blockStatus(
    offset: ByteCount,
    bytes: ByteCount,
    memory: ArrayBufferView,
    flags: number,
    options?: RequestOptions,
  ): Problem {
    const problem =
      byteCountProblem('offset', offset) ??
      byteCountProblem('length', bytes) ??
      this.#plain(Operation.blockStatus, Number(offset), Number(bytes), options);
    this.flags = flags;
    this.buffer = memory;
    return problem;
  }

  makeZero(options?: ZeroOptions): Problem {
    return this.#plain(Operation.makeZero, 0, 0, options);
  }

  makeEmpty(options?: RequestOptions): Problem {
    return this.#plain(Operation.makeEmpty, 0, 0, options);
  }

  check(options?: RequestOptions): Problem {
    return this.#plain(Operation.check, 0, 0, options);
  }

  abort(result: number): Problem {
    return byteCountProblem('result', result) ?? this.#plain(Operation.abort, 0, result, undefined);
  }

  /** Lets go of the request's memory. */
  clear(): void {
    this.buffer = undefined;
    this.buffers = undefined;
    this.signal = undefined;
  }

  /** A read, write or the like of one buffer. */
  single(
    operation: number,
    offset: ByteCount,
    buffer: ArrayBufferView,
    options: WriteOptions | undefined,
  ): Problem {
    // The common case first: no options, a number, a view.
    if (options !== undefined || !Number.isSafeInteger(offset) || !ArrayBuffer.isView(buffer)) {
      const problem = byteCountProblem('offset', offset) ?? bufferProblem('buffer', buffer);
      if (problem !== undefined) return problem;
      return this.#withOptions(operation, Number(offset), 0, buffer, undefined, options);
    }
    this.#fill(operation, 0, offset as number, 0, 0, buffer, undefined, undefined);
    return undefined;
  }

  #vectored(
    operation: number,
    offset: ByteCount,
    buffers: readonly ArrayBufferView[],
    options: WriteOptions | undefined,
  ): Problem {
    return attempt(() => {
      const problem = byteCountProblem('offset', offset) ?? buffersProblem('buffers', buffers);
      if (problem !== undefined) return problem;
      // A copy: the caller's array may change before the request is done.
      return this.#withOptions(operation, Number(offset), 0, undefined, [...buffers], options);
    });
  }

  #ranged(
    operation: number,
    offset: ByteCount,
    bytes: ByteCount,
    options: ZeroOptions | undefined,
  ): Problem {
    const problem = byteCountProblem('offset', offset) ?? byteCountProblem('bytes', bytes);
    if (problem !== undefined) return problem;
    return this.#withOptions(
      operation,
      Number(offset),
      Number(bytes),
      undefined,
      undefined,
      options,
    );
  }

  #plain(
    operation: number,
    offset: number,
    argument: number,
    options: RequestOptions | undefined,
  ): Problem {
    const problem = this.#withOptions(operation, offset, 0, undefined, undefined, options);
    this.argument = argument;
    return problem;
  }

  #withOptions(
    operation: number,
    offset: number,
    length: number,
    buffer: ArrayBufferView | undefined,
    buffers: readonly ArrayBufferView[] | undefined,
    options: ZeroOptions | undefined,
  ): Problem {
    if (options === undefined) {
      this.#fill(operation, 0, offset, length, 0, buffer, buffers, undefined);
      return undefined;
    }
    const problem = optionsProblem(options);
    if (problem !== undefined) return problem;
    return attempt(() => {
      const { signal, account } = options;
      const wrong =
        (signal === undefined ? undefined : signalProblem(signal)) ?? accountProblem(account);
      const flags = requestFlags(options);
      // Only now, since a getter among the options could have used this very object.
      if (wrong === undefined) {
        this.#fill(operation, flags, offset, length, 0, buffer, buffers, signal);
        this.account = requestAccount(operation, account);
      }
      return wrong;
    });
  }

  #fill(
    operation: number,
    flags: number,
    offset: number,
    length: number,
    argument: number,
    buffer: ArrayBufferView | undefined,
    buffers: readonly ArrayBufferView[] | undefined,
    signal: AbortSignal | undefined,
  ): void {
    this.operation = operation;
    this.flags = flags;
    this.offset = offset;
    this.length = length;
    this.argument = argument;
    this.buffer = buffer;
    this.buffers = buffers;
    this.signal = signal;
    this.account = undefined;
  }
}

function unknownIoctl(request: number): BlockError {
  const text =
    `what memory request 0x${request.toString(16)} uses is not known from its number, ` +
    `so the kernel could write anywhere (SCSI commands go through sgIo())`;
  return new BlockError(Errno.EINVAL, { operation: 'ioctl', text });
}
