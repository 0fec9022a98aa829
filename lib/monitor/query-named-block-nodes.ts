// All nodes, whoever uses them (QMP: query-named-block-nodes).

import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { withAllocatedSizes } from './allocated-sizes.js';
import { type BlockDeviceInfo, blockDeviceInfo } from './block-device-info.js';
import { ImageView } from './image-info.js';

/** QMP: query-named-block-nodes. */
export interface NamedBlockNodesOptions {
  /** Leaves out the images that a node stands on, which are listed themselves. Default false. */
  readonly flat?: boolean | undefined;
}

/** Nodes that are not about to close, in order of creation. */
export function openNodes(): BlockNode[] {
  return [...graph().nodes].filter((node) => !node.isClosed);
}

/**
 * Every node, those with generated names included, newest first. It takes the time that the host
 * needs to tell how large the images are; all else is of the turn in which it resolves.
 * (QMP: query-named-block-nodes)
 */
export function queryNamedBlockNodes({
  flat = false,
}: NamedBlockNodesOptions = {}): Promise<BlockDeviceInfo[]> {
  return withAllocatedSizes(openNodes, (sizes) => {
    const view = new ImageView(sizes, { flat });
    return openNodes()
      .reverse()
      .map((node) => blockDeviceInfo(node, view));
  });
}
