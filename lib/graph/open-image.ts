// Opening images whose format, or whose backing file, only their bytes tell.

import type { AioContext } from '../aio/context.js';
import { ChildRole } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { childrenOf } from './driver-definition.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import { type ImagePlan, type Plan, planImage } from './image-options.js';
import type { BlockNode } from './node.js';
import { filenameOf, NodeFilenames } from './node-filename.js';
import { OptionBag } from './option-bag.js';
import { inheritedBy, type NodePlan } from './options.js';
import { formatOf, readHeader } from './probe-format.js';

/** Opens what the plan says, or finds the node that it names. Opens all of it or nothing. */
export async function openImage(
  graph: Graph,
  plan: Plan,
  context: AioContext,
  change: GraphChange,
): Promise<BlockNode> {
  if (typeof plan === 'string' || !('planFor' in plan)) return graph.open(plan, context, change);
  const file = await graph.open(plan.file, context, change);
  try {
    const node = await openProbed(graph, plan, file, context, change);
    if (typeof plan.file !== 'string') file.inheritsFrom = node;
    return node;
  } catch (error) {
    await graph.closeUnused(file, change);
    throw error;
  }
}

async function openProbed(
  graph: Graph,
  plan: ImagePlan,
  file: BlockNode,
  context: AioContext,
  change: GraphChange,
): Promise<BlockNode> {
  const driver = formatOf(await readHeader(file, change), filenameOf(file));
  if (driver === undefined) {
    const text = 'no driver knows the format';
    throw new BlockError(Errno.EINVAL, { operation: 'open', node: file.name, text });
  }
  const node = await graph.open(plan.planFor(driver, file.name), context, change);
  if (driver.guessed !== undefined && !node.readOnly) {
    const name = filenameOf(file) || file.name;
    const options = { type: 'BlockBackendWarning', code: 'BLOCK_FORMAT_GUESSED' };
    process.emitWarning(`image '${name}': ${driver.guessed.warning}`, options);
  }
  return node;
}

/** Opens the backing file that the image names, unless the options speak of one (GRAPH-10). */
export async function openNamedBacking(
  graph: Graph,
  node: BlockNode,
  { driver, children }: NodePlan,
  change: GraphChange,
): Promise<void> {
  const definition = childrenOf(driver, node.options).find(
    (child) => (child.role(node.options) & ChildRole.cow) !== 0,
  );
  if (
    definition === undefined ||
    children.some((child) => child.definition.name === definition.name)
  ) {
    return;
  }
  const filename = new NodeFilenames().namedBacking(node);
  if (filename === '') return;
  const inherited = inheritedBy(definition.role(node.options), node.state);
  const plan = planImage(OptionBag.from({ filename }), inherited);
  const backing = await openImage(graph, plan, node.context, change);
  try {
    await graph.transact(
      change,
      () => [node, backing],
      (transaction) => transaction.attachChild(node, definition, backing),
    );
    backing.inheritsFrom = node;
  } catch (error) {
    await graph.closeUnused(backing, change);
    throw error;
  }
}
