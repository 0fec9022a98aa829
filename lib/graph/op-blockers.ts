// Operations that must not touch a node now, and why (QEMU: bdrv_op_block).

import { BlockUsageError } from '../errors/block-error.js';

/** QEMU: BlockOpType. */
export const BLOCK_OPERATIONS = [
  'backup-source',
  'backup-target',
  'change',
  'commit-source',
  'commit-target',
  'dataplane',
  'drive-del',
  'eject',
  'external-snapshot',
  'internal-snapshot',
  'internal-snapshot-delete',
  'mirror-source',
  'mirror-target',
  'resize',
  'stream',
  'replace',
] as const;

/** What can be blocked on a node (QEMU: BlockOpType). */
export type BlockOperation = (typeof BLOCK_OPERATIONS)[number];

/** Why something is blocked. The object is the key: two reasons with the same text are two. */
export interface BlockReason {
  readonly message: string;
}

export class OpBlockers {
  /** Newest first. */
  readonly #reasons = new Map<BlockOperation, BlockReason[]>();

  get isEmpty(): boolean {
    return this.#reasons.size === 0;
  }

  /** A reason that is none of these. */
  otherThan(known: ReadonlySet<BlockReason>): BlockReason | undefined {
    return [...this.#reasons.values()].flat().find((reason) => !known.has(reason));
  }

  /** The latest reason; undefined where nothing blocks. */
  reason(operation: BlockOperation): BlockReason | undefined {
    return this.#reasons.get(operation)?.[0];
  }

  block(operation: BlockOperation, reason: BlockReason): void {
    if (!BLOCK_OPERATIONS.includes(operation)) {
      throw new BlockUsageError(`there is no operation '${operation}' to block`);
    }
    const reasons = this.#reasons.get(operation) ?? [];
    reasons.unshift(reason);
    this.#reasons.set(operation, reasons);
  }

  /** All entries with this very reason; an unknown one is none. */
  unblock(operation: BlockOperation, reason: BlockReason): void {
    const left = (this.#reasons.get(operation) ?? []).filter((other) => other !== reason);
    if (left.length === 0) this.#reasons.delete(operation);
    else this.#reasons.set(operation, left);
  }

  blockAll(reason: BlockReason): void {
    for (const operation of BLOCK_OPERATIONS) this.block(operation, reason);
  }

  unblockAll(reason: BlockReason): void {
    for (const operation of BLOCK_OPERATIONS) this.unblock(operation, reason);
  }
}
