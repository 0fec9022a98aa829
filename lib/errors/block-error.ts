import { errnoName, errnoText } from './errno-names.js';

/** What a {@link BlockError} knows beside its errno; absent where it makes no sense. */
export interface BlockErrorDetails {
  /** What was tried: 'pread', 'open', 'close' ... */
  readonly operation: string;
  /** Name of the node where the error arose. */
  readonly node?: string | undefined;
  /** Name of the block backend. */
  readonly device?: string | undefined;
  /** Bytes; of a truncate, the new size. */
  readonly offset?: number | undefined;
  /** Bytes. */
  readonly length?: number | undefined;
  /** A sentence instead of the errno's own text. */
  readonly text?: string | undefined;
  readonly cause?: unknown;
}

function place({ operation, offset, length }: BlockErrorDetails): string {
  if (operation === 'truncate' && offset !== undefined) return ` to ${offset} bytes`;
  const range = length === undefined ? '' : ` of ${length} bytes`;
  return offset === undefined ? range : `${range} at ${offset}`;
}

function describe(errno: number, details: BlockErrorDetails): string {
  const device = details.device ? ` on '${details.device}'` : '';
  const node = details.node ? ` (node '${details.node}')` : '';
  const reason = details.text ?? errnoText(errno);
  return `${details.operation}${place(details)}${device}${node}: ${reason} [${errnoName(errno)}]`;
}

/** A request or a control call failed. Match on `code`; texts may change. */
export class BlockError extends Error {
  /** The errno's name: 'ENOMEDIUM', 'EIO' ... */
  readonly code: string;
  /** Negative, as in libuv and QEMU. */
  readonly errno: number;
  /** What was tried: 'pread', 'open', 'close' ... */
  readonly operation: string;
  /** Name of the node where the error arose. */
  readonly node: string | undefined;
  /** Name of the block backend. */
  readonly device: string | undefined;
  /** Bytes; of a truncate, the new size. */
  readonly offset: number | undefined;
  /** Bytes. */
  readonly length: number | undefined;

  /** Puts its message together. @param errno negative. */
  constructor(errno: number, details: BlockErrorDetails) {
    super(
      describe(errno, details),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = errnoName(errno);
    this.errno = errno;
    this.operation = details.operation;
    this.node = details.node;
    this.device = details.device;
    this.offset = details.offset;
    this.length = details.length;
  }
}
BlockError.prototype.name = 'BlockError';

/** The caller broke a rule of the interface; nothing was changed. QEMU would abort. */
export class BlockUsageError extends Error {
  /** The same for all of them. */
  readonly code = 'ERR_BLOCK_USAGE';
}
BlockUsageError.prototype.name = 'BlockUsageError';

/** A request left its queue because its signal was aborted. */
export class AbortError extends Error {
  /** The same for all of them, and as Node's own have it. */
  readonly code = 'ABORT_ERR';

  /** Like those of Node. @param cause the signal's reason. */
  constructor(cause?: unknown) {
    super('The operation was aborted', cause === undefined ? undefined : { cause });
  }
}
AbortError.prototype.name = 'AbortError';
