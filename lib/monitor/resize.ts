// Changing the size of a disk under a running machine (QMP: block_resize).

import { BlockBackend } from '../block-backend.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { optionError } from '../graph/option-bag.js';

const OPERATION = 'block_resize';

/** One of device and node-name. */
export interface ResizeArguments {
  /** A device with a medium. */
  readonly device?: string | undefined;
  readonly 'node-name'?: string | undefined;
  /** In bytes. */
  readonly size: number;
}

function nodeFor({ device, 'node-name': nodeName }: ResizeArguments): BlockNode {
  if ((device === undefined) === (nodeName === undefined)) {
    throw optionError('', 'one of device and node-name is needed');
  }
  const { names } = graph();
  if (nodeName !== undefined) {
    const node = names.node(nodeName);
    if (node !== undefined) return node;
    const text = `cannot find a node named '${nodeName}'`;
    throw new BlockError(Errno.ENOENT, { operation: OPERATION, text });
  }
  const root = names.device(device as string);
  if (root?.node !== undefined) return root.node;
  const [errno, text] =
    root === undefined
      ? [Errno.ENODEV, `there is no device '${device}'`]
      : [Errno.ENOMEDIUM, `the device '${device}' has no medium`];
  throw new BlockError(errno, { operation: OPERATION, text });
}

/**
 * Resizes a node while its users go on; requests that come meanwhile wait. It needs the permission
 * to resize like everybody else, so it fails while a user does not share that. (QMP: block_resize)
 *
 * @throws (rejects) BlockError EPERM; EBUSY for a blocked node; ENOENT, ENODEV and ENOMEDIUM when
 * there is nothing to resize; EINVAL for a negative size; and whatever truncating the image gives.
 */
export async function blockResize(request: ResizeArguments): Promise<void> {
  if (!Number.isSafeInteger(request.size)) {
    throw invalidArgumentType('size', 'an integer', request.size);
  }
  const node = nodeFor(request);
  if (request.size < 0) throw optionError('size', 'must not be negative');
  const text = node.opBlocked('resize');
  if (text !== undefined) {
    throw new BlockError(Errno.EBUSY, { operation: OPERATION, node: node.name, text });
  }
  await using blk = await BlockBackend.open(node.name, { permissions: ['resize'] });
  await using _section = await blk.drained();
  await blk.truncate(request.size);
}
