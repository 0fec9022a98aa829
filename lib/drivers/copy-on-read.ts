import { ChildRole, Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { DriverDefinition, DriverOptions } from '../graph/driver-definition.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { freezeChain, thawChain } from '../graph/surgery.js';
import { fileMediaHooks } from './media-hooks.js';

const PASSED = Permission.consistentRead | Permission.write | Permission.resize;
const BOTTOM = 'bottom';

const bottoms = new WeakMap<BlockNode, BlockNode>();

/** @throws BlockError EINVAL: there is no such node, or it is a filter. */
function bottomOf(options: DriverOptions): BlockNode | undefined {
  const name = options[BOTTOM];
  if (name === undefined) return undefined;
  const node = graph().names.node(String(name));
  const problem = node === undefined ? 'does not exist' : 'is a filter';
  if (node !== undefined && !node.isFilter) return node;
  const text = `the bottom node '${name}' ${problem}`;
  throw new BlockError(Errno.EINVAL, { operation: 'open', text });
}

/**
 * A filter through which reads copy into its file what only backing files have; with `bottom` only
 * what comes from that node or from above it (block/copy-on-read.c). The links down to the bottom
 * are frozen as long as the filter is there.
 */
export const copyOnRead: DriverDefinition = {
  name: 'copy-on-read',
  options: [{ name: BOTTOM, type: 'string' }],
  children: [
    {
      name: 'file',
      required: true,
      role: () => ChildRole.filtered | ChildRole.primary,
      permissions({ permissions, shared }, { inactive }) {
        const copies = inactive ? 0 : Permission.writeUnchanged;
        return {
          permissions: (permissions & PASSED) | copies,
          shared: (shared & PASSED) | Permission.writeUnchanged,
        };
      },
    },
  ],
  ...fileMediaHooks,
  async nativeOptions(options): Promise<DriverOptions> {
    const bottom = bottomOf(options);
    return bottom === undefined ? {} : { 'bottom-id': bottom.id };
  },
  linked(node) {
    const bottom = bottomOf(node.options);
    if (bottom === undefined) return;
    freezeChain(node, bottom);
    bottoms.set(node, bottom);
  },
  closing(node) {
    const bottom = bottoms.get(node);
    if (bottom !== undefined) thawChain(node, bottom);
    bottoms.delete(node);
  },
};
