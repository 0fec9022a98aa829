// Being told when writes go far enough (QMP: block-set-write-threshold).

import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';

/** QMP: block-set-write-threshold. */
export interface WriteThresholdArguments {
  readonly 'node-name': string;
  /** In bytes; 0: no threshold any more. */
  readonly 'write-threshold': number;
}

/**
 * The first write, zero-write or discard that ends beyond the threshold, before it is carried out,
 * is told of by the event BLOCK_WRITE_THRESHOLD and disarms it. A threshold replaces another.
 * (QMP: block-set-write-threshold)
 *
 * @throws BlockError ENOENT when there is no such node; EINVAL for a negative threshold.
 */
export function blockSetWriteThreshold(request: WriteThresholdArguments): void {
  const { 'node-name': name, 'write-threshold': threshold } = request;
  const operation = 'block-set-write-threshold';
  if (!Number.isSafeInteger(threshold)) {
    throw invalidArgumentType('write-threshold', 'an integer', threshold);
  }
  const node = graph().names.node(name);
  if (node === undefined) {
    const text = `cannot find a node named '${name}'`;
    throw new BlockError(Errno.ENOENT, { operation, text });
  }
  if (threshold < 0) {
    const text = 'the write threshold must not be negative';
    throw new BlockError(Errno.EINVAL, { operation, node: name, text });
  }
  node.setWriteThreshold(threshold);
}
