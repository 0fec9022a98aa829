// Why a request failed, in words, where more is known than its errno says.

import { Permission } from '../aio/protocol.js';
import { Errno } from './errno.js';

/** What a request was, and what came of it. */
export interface FailedRequest {
  readonly errno: number;
  /** The id of the node that refused it; 0: it did not get as far as a node. */
  readonly node: number;
  readonly offset: number;
  readonly length: number;
  /** It has a range: a read, write, zero-write or discard. */
  readonly ranged: boolean;
  /** It has data: a read or write. */
  readonly transfers: boolean;
  /** It copies from one backend to another. */
  readonly copies?: boolean;
}

/** The medium that it was meant for. */
export interface RequestMedium {
  readonly length: number;
  readonly readOnly: boolean;
  /** Permission bits of the backend. */
  readonly permissions: number;
}

/** INT_MAX rounded down to sectors (BDRV_REQUEST_MAX_BYTES). */
export const MAX_TRANSFER = 2147483136;

function rangeText({ offset, length, transfers }: FailedRequest, size: number): string | undefined {
  if (transfers && length > MAX_TRANSFER) {
    return `one request transfers at most ${MAX_TRANSFER} bytes`;
  }
  if (offset < 0 || length < 0) return 'offset and length must be 0 or more';
  if (offset + length <= size) return undefined;
  return `the range must lie within the medium, which has ${size} bytes`;
}

/** Which end of a copy was wrong is not known here, apart from the node. */
function copyText({ errno, node }: FailedRequest): string | undefined {
  if (errno === Errno.ENOTSUP) {
    return 'the kernel cannot copy between these two; both must live in one context and end in files';
  }
  if (errno !== Errno.EIO || node !== 0) return undefined;
  return 'the range must lie within the medium of each end';
}

/** A sentence that says what was expected; undefined: the errno tells all that is known. */
export function requestText(
  request: FailedRequest,
  medium: RequestMedium | undefined,
): string | undefined {
  if (request.copies) return copyText(request);
  if (!request.ranged || medium === undefined) return undefined;
  if (request.errno === Errno.EIO && request.node === 0) return rangeText(request, medium.length);
  if (request.errno !== Errno.EPERM) return undefined;
  if (medium.readOnly) return 'the node is read-only';
  const mayWrite = (medium.permissions & Permission.write) !== 0;
  return mayWrite ? undefined : 'the backend was opened without the permission to write';
}
