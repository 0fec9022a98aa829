// Finding a node by the name of a device or by its own.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from './graph.js';
import type { BlockNode } from './node.js';

/**
 * The medium of the device, or else the node of that name. (bdrv_lookup_bs)
 *
 * @throws BlockError ENOMEDIUM for a device without one, even if there is such a node; ENOENT when
 * neither name is known.
 */
export function lookupNode(device?: string, nodeName?: string): BlockNode {
  const { names } = graph();
  const root = device === undefined ? undefined : names.device(device);
  if (root !== undefined) {
    if (root.node !== undefined) return root.node;
    const text = `Device '${device}' has no medium`;
    throw new BlockError(Errno.ENOMEDIUM, { operation: 'find', text });
  }
  const node = nodeName === undefined ? undefined : names.node(nodeName);
  if (node !== undefined) return node;
  const text = `Cannot find device='${device ?? ''}' nor node-name='${nodeName ?? ''}'`;
  throw new BlockError(Errno.ENOENT, { operation: 'find', text });
}
