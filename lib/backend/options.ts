// What requests may be told beside their range and data.

import { type AccountingType, isAccountingType } from '../accounting/accounting.js';
import { AccountType, Operation, RequestFlag } from '../aio/protocol.js';
import { invalidArgumentValue } from '../errors/argument-errors.js';

/** Numbers of native block::Preallocation. */
const Preallocation = { off: 0, metadata: 1, falloc: 2, full: 3 } as const;

/** What every request can be told. */
export interface RequestOptions {
  /**
   * Whether the request goes into the statistics of its backend, true: as what it is, or as what.
   * Default: what `blk.accountRequests` says; for synchronous forms false.
   */
  readonly account?: boolean | AccountingType | undefined;
  /**
   * Aborting lets a request that still waits in a drained section leave with an AbortError. One
   * that runs already ends with its true result.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a write can be told (QEMU: BdrvRequestFlags). */
export interface WriteOptions extends RequestOptions {
  /** Durable before the request completes (BDRV_REQ_FUA). */
  readonly fua?: boolean | undefined;
  /** Compressed, where the driver can (BDRV_REQ_WRITE_COMPRESSED); else ENOTSUP. */
  readonly compressed?: boolean | undefined;
  /** No overlapping request runs meanwhile (BDRV_REQ_SERIALISING). */
  readonly serialising?: boolean | undefined;
  /** EBUSY instead of waiting for overlapping requests (BDRV_REQ_NO_WAIT). */
  readonly noWait?: boolean | undefined;
  /** The data that a guest sees stays the same (BDRV_REQ_WRITE_UNCHANGED). */
  readonly writeUnchanged?: boolean | undefined;
}

/** What a zero-write can be told. */
export interface ZeroOptions extends WriteOptions {
  /** The range may be deallocated (BDRV_REQ_MAY_UNMAP). */
  readonly mayUnmap?: boolean | undefined;
  /** ENOTSUP instead of writing zeroes slowly (BDRV_REQ_NO_FALLBACK). */
  readonly noFallback?: boolean | undefined;
}

/** Of a copy. The others of a zero-write are for `zeroWrite`. */
export interface CopyOptions extends RequestOptions {
  /** Zeroes go to the target, and the source is not read (BDRV_REQ_ZERO_WRITE). */
  readonly zeroWrite?: boolean | undefined;
  /** The data that a guest sees in the target stays the same (BDRV_REQ_WRITE_UNCHANGED). */
  readonly writeUnchanged?: boolean | undefined;
  readonly fua?: boolean | undefined;
  readonly mayUnmap?: boolean | undefined;
  readonly noFallback?: boolean | undefined;
}

/** How a growing image gets its space (QAPI: PreallocMode). */
export type PreallocationMode = keyof typeof Preallocation;

/** How an image is resized. */
export interface TruncateOptions extends RequestOptions {
  /** false: a larger result is as good, for devices that cannot shrink. Default true. */
  readonly exact?: boolean | undefined;
  /** Default 'off'. */
  readonly preallocation?: PreallocationMode | undefined;
  /**
   * What is added must read as zeroes; ENOTSUP where the driver cannot see to that. Over a longer
   * backing file it always must. Default false. (BDRV_REQ_ZERO_WRITE)
   */
  readonly zero?: boolean | undefined;
}

const FLAGS = [
  'fua',
  'compressed',
  'serialising',
  'noWait',
  'writeUnchanged',
  'mayUnmap',
  'noFallback',
] as const;

/** What operations are accounted as; zero-writes are writes. */
const ACCOUNTED_AS: Readonly<Record<number, number>> = {
  [Operation.read]: AccountType.read,
  [Operation.write]: AccountType.write,
  [Operation.writeZeroes]: AccountType.write,
  [Operation.discard]: AccountType.unmap,
  [Operation.flush]: AccountType.flush,
};

/**
 * The same as tables of numbers, by operation: every request looks one up, so that those that are not
 * accounted cost what the others do.
 */
export const ACCOUNT_TYPES = Uint8Array.from({ length: 256 }, (_, operation) => {
  return ACCOUNTED_AS[operation] ?? AccountType.none;
});
export const NOT_ACCOUNTED = new Uint8Array(256).fill(AccountType.none);

export function accountProblem(value: unknown): Error | undefined {
  if (value === undefined || typeof value === 'boolean' || isAccountingType(value))
    return undefined;
  const types = Object.keys(AccountType).join(', ');
  return invalidArgumentValue('options.account', `a boolean or one of ${types}`, value);
}

/**
 * The descriptor's accounting type of a request that asks for one; undefined: as its backend says.
 */
export function requestAccount(
  operation: number,
  account: boolean | AccountingType | undefined,
): number | undefined {
  if (account === undefined) return undefined;
  if (typeof account === 'string') return AccountType[account];
  return (account ? ACCOUNT_TYPES : NOT_ACCOUNTED)[operation];
}

/** The BDRV_REQ_* bits of a request's options. */
export function requestFlags(options: ZeroOptions | undefined): number {
  if (options === undefined) return 0;
  let flags = 0;
  for (const name of FLAGS) if (options[name]) flags |= RequestFlag[name];
  return flags;
}

export function preallocationProblem(mode: unknown): Error | undefined {
  const known = typeof mode === 'string' && Object.hasOwn(Preallocation, mode);
  if (mode === undefined || known) return undefined;
  const modes = Object.keys(Preallocation).join(', ');
  return invalidArgumentValue('options.preallocation', `one of ${modes}`, mode);
}

/** A truncate's argument in its descriptor. */
export function truncateArgument({ exact, preallocation, zero }: TruncateOptions): number {
  const flags = ((exact ?? true) ? 1 << 8 : 0) | (zero ? 1 << 9 : 0);
  return Preallocation[preallocation ?? 'off'] | flags;
}
