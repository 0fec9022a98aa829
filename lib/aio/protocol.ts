// The numbers that lib/ and native/binding/protocol.hpp share. The addon reports its own copy as
// `layout`; a mismatch (a stale binary) is refused at load.

/** Operations of a descriptor (native: block::Operation). */
export const Operation = {
  read: 1,
  write: 2,
  writeZeroes: 3,
  discard: 4,
  flush: 5,
  truncate: 6,
  ioctl: 7,
  length: 8,
  abort: 9,
  copyRange: 10,
  saveVmstate: 11,
  loadVmstate: 12,
  probeBlockSizes: 13,
  probeGeometry: 14,
  sgIo: 16,
  sectors: 17,
  /** Continues a vectored request: up to two further buffers. */
  vector: 15,
  blockStatus: 32,
  makeZero: 33,
  makeEmpty: 34,
  check: 35,
} as const;
export type OperationCode = (typeof Operation)[keyof typeof Operation];

/** As what a request is accounted (BLOCK_ACCT_*). */
export const AccountType = { none: 0, read: 1, write: 2, flush: 3, unmap: 4 } as const;

/** What owners account themselves. */
export const AccountEvent = { done: 0, failed: 1, invalid: 2, merged: 3 } as const;

/** Request flags (BDRV_REQ_*). */
export const RequestFlag = {
  fua: 1,
  mayUnmap: 2,
  noFallback: 4,
  compressed: 8,
  serialising: 16,
  noWait: 32,
  writeUnchanged: 64,
  /** Copy range only: zeroes go to the target, and the source is not read. */
  zeroWrite: 128,
  /** Not QEMU's: the backend does not throttle the request. */
  unthrottled: 256,
} as const;

/** Flags of a block-status request, in the place of the request flags. */
export const StatusQuery = { wantZero: 1, above: 2, includeBase: 4 } as const;

/** What a range is (BDRV_BLOCK_*, with numbers of our own). */
export const StatusFlag = {
  data: 1,
  zero: 2,
  offsetValid: 4,
  allocated: 8,
  endOfFile: 16,
} as const;

/**
 * The memory of a block-status request, in 64-bit floats: the id of the node to stop at goes in, and
 * what the range is comes out. The request's `argument` are the bytes asked for.
 */
export const StatusMemory = { bytes: 40, base: 0, flags: 1, offset: 2, node: 3, depth: 4 } as const;

/** Permission bits of an edge (BLK_PERM_*). */
export const Permission = {
  consistentRead: 1,
  write: 2,
  writeUnchanged: 4,
  resize: 8,
  all: 15,
} as const;

/** Child roles (BDRV_CHILD_*). */
export const ChildRole = { data: 1, metadata: 2, filtered: 4, cow: 8, primary: 16 } as const;

/** Switches of a native backend. */
export const BackendFlag = {
  trayOpen: 0,
  writeCache: 1,
  allowWriteBeyondEnd: 2,
  disableQueueing: 3,
} as const;

export const ContextHome = { node: 0, ioThread: 1, virtual: 2 } as const;
export const EngineChoice = { auto: 0, io_uring: 1, threads: 2 } as const;

/**
 * A submission descriptor, 64 bytes. `i` indexes 32-bit words, `f` 64-bit floats from its start.
 *
 * | at    | what                                                                        |
 * |-------|-----------------------------------------------------------------------------|
 * | i[0]  | operation, request flags << 8                                               |
 * | i[1]  | slot                                                                        |
 * | f[1]  | backend handle                                                              |
 * | f[2]  | offset in bytes (truncate: the new size)                                    |
 * | f[3]  | length in bytes                                                             |
 * | i[8]  | memory region id, 0 for none                                                |
 * | i[9]  | number of buffers; above 1: `vector` descriptors follow with all of them    |
 * | f[5]  | offset of the data in the region, in bytes (copy range: the target backend)  |
 * | f[6]  | argument (ioctl: request code; truncate: preallocation, exact << 8, zero << 9; abort: result; |
 * |       | copy range: the offset in the target)                                       |
 * | i[14] | slot generation                                                             |
 * | i[15] | accounting type                                                             |
 *
 * A request longer than the largest transfer (2147483136 bytes) carries no memory: region 0 and no
 * buffers. native/ refuses it before it would touch any. A synchronous request has slot -1.
 *
 * A `vector` descriptor: i[0] = operation, i[1] = buffers in it (1 or 2); the first buffer is
 * i[2] region id, f[2] offset in the region, f[3] length; the second i[8], f[5], f[6].
 */
export const Descriptor = {
  bytes: 64,
  words: 16,
  floats: 8,
  operation: 0,
  slot: 1,
  backend: 1,
  offset: 2,
  length: 3,
  region: 8,
  buffers: 9,
  regionOffset: 5,
  argument: 6,
  generation: 14,
  account: 15,
} as const;

/** Descriptors that fit between two native calls: the largest vectored request needs 1 + 512. */
export const SUBMISSION_CAPACITY = 4096;

/**
 * A completion, 16 bytes: f[0] the result (bytes, value or negative errno), i[2] the slot, i[3] the
 * id of the node where an error arose. Negative slots are events: see `CompletionEvent`.
 */
export const Completion = { bytes: 16, words: 4, floats: 2, result: 0, slot: 2, node: 3 } as const;
export const COMPLETION_CAPACITY = 4096;

/** Slots of completions that nobody submitted. */
export const CompletionEvent = {
  /** A quiesced node or backend has nothing in flight any more. */
  idle: -1,
  /** The length of node i[3] was established anew. */
  resized: -2,
  /** Node i[3] has a warning; f[0] says which (lib/errors/native-warning.ts). */
  warning: -3,
  /** Write thresholds were passed: takeWriteThresholdEvents() has them. */
  writeThreshold: -4,
  /** Clients of NBD servers wait for an answer: nbdQuestions() has what they ask. */
  nbdQuestion: -5,
} as const;

/** Words of the shared header. */
export const Header = {
  bytes: 64,
  /** Descriptors written and not yet handed over; lib/ raises it, native/ resets it. */
  submitted: 0,
  /** Id of the failing node of the last synchronous request. */
  syncNode: 1,
} as const;
