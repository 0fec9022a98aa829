// Operations on the graph below its users, for VMMs and tools. Each runs alone, after those that
// were asked for before; a refused one has changed nothing.

import { controlCall } from '../aio/control.js';
import { isFailure } from '../aio/native-binding.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { failureError } from '../errors/native-failure.js';
import type { DrainSection } from '../graph/drain.js';
import * as intermediate from '../graph/drop-intermediate.js';
import { graph } from '../graph/graph.js';
import * as migration from '../graph/migration.js';
import type { BlockNode } from '../graph/node.js';
import { RunState } from '../graph/run-state.js';
import * as surgery from '../graph/surgery.js';

/** A node, its name, or the name of a device with a medium. */
export type NodeReference = BlockNode | string;

function resolve(reference: NodeReference): BlockNode {
  if (typeof reference === 'string') return graph().find(reference);
  if (typeof reference === 'object' && graph().nodes.has(reference)) return reference;
  throw invalidArgumentType('node', 'an open node or the name of one', reference);
}

/**
 * `overlay` stands on `top` from now on, and everybody who used `top` uses `overlay`. Jobs, and
 * what is below the overlay itself, stay. (bdrv_append)
 *
 * @throws (rejects) BlockError EINVAL, EPERM
 */
export function appendNode(overlay: NodeReference, top: NodeReference): Promise<void> {
  return graph().lock.run('append', (change) =>
    surgery.append(graph(), resolve(overlay), resolve(top), change),
  );
}

/**
 * Everybody who uses `from` uses `to` from now on, except for jobs and what is below `to`.
 * (bdrv_replace_node)
 *
 * @throws (rejects) BlockError EPERM for a frozen link or permissions.
 */
export function replaceNode(from: NodeReference, to: NodeReference): Promise<void> {
  return graph().lock.run('replace', (change) =>
    surgery.replace(graph(), resolve(from), resolve(to), change),
  );
}

/** The users of a filter use its child from now on. (bdrv_drop_filter) */
export function dropFilter(filter: NodeReference): Promise<void> {
  return graph().lock.run('drop filter', (change) =>
    surgery.dropFilter(graph(), resolve(filter), change),
  );
}

/**
 * The overlays of `top` stand on `base` from now on, and their images say so by `backingName`;
 * what stood between is closed if nobody else uses it. (bdrv_drop_intermediate)
 *
 * @throws (rejects) BlockError EINVAL when base is not below top.
 */
export function dropIntermediate(
  top: NodeReference,
  base: NodeReference,
  backingName?: string,
): Promise<void> {
  return graph().lock.run('drop intermediate', (change) => {
    const below = resolve(base);
    const name = backingName ?? below.name;
    return intermediate.dropIntermediate(graph(), resolve(top), below, name, change);
  });
}

/** Gives a node another backing file; null takes it away. (bdrv_set_backing_hd) */
export function setBackingFile(node: NodeReference, backing: NodeReference | null): Promise<void> {
  return graph().lock.run('set backing file', (change) =>
    surgery.setBacking(graph(), resolve(node), backing === null ? null : resolve(backing), change),
  );
}

/**
 * No link from `top` down to `base` changes until it is thawed. (bdrv_freeze_backing_chain)
 *
 * @throws BlockError EPERM when one is frozen already; then none is frozen more.
 */
export function freezeBackingChain(top: NodeReference, base: NodeReference): void {
  surgery.freezeChain(resolve(top), resolve(base));
}

/**
 * Ends what freezeBackingChain() began. (bdrv_unfreeze_backing_chain)
 *
 * @throws BlockUsageError when a link is not frozen.
 */
export function thawBackingChain(top: NodeReference, base: NodeReference): void {
  surgery.thawChain(resolve(top), resolve(base));
}

/** What a section that begins at a node covers, beside all that is above it. */
export interface DrainNodeOptions {
  /** The nodes below as well, and all that is above those. Default: false. */
  readonly subtree?: boolean;
}

/**
 * A drained section over a node and everything above it, or over all that is below as well: like
 * {@link BlockBackend.drained}. It follows the graph: what is attached joins it, what is detached
 * leaves it. (bdrv_drained_begin, bdrv_subtree_drained_begin)
 */
export async function drainedNode(
  node: NodeReference,
  { subtree = false }: DrainNodeOptions = {},
): Promise<DrainSection> {
  const section = graph().drainNode(resolve(node), subtree);
  await section.quiet();
  return section;
}

/**
 * Gives all images up, so that another process can take them over: flushes, then every node from
 * above to below. (bdrv_inactivate_all)
 *
 * @throws (rejects) BlockError EPERM of the first user that goes on writing.
 */
export function inactivateAll(): Promise<void> {
  return graph().lock.run('inactivate all', (change) => migration.inactivateAll(graph(), change));
}

/**
 * Bytes that an image occupies on its host; of a format, that of all children that store it.
 * (bdrv_get_allocated_file_size)
 *
 * @throws (rejects) BlockError ENOTSUP where nobody knows, ENOMEDIUM without an image.
 */
export async function allocatedSize(node: NodeReference): Promise<number> {
  const { environment } = graph();
  const { handle, name } = resolve(node);
  const result = await controlCall(environment.ring, (slot) =>
    environment.binding.nodeAllocatedSize(slot, handle),
  );
  if (isFailure(result)) throw failureError(result, { operation: 'allocated size', node: name });
  return result;
}

/** Takes all images back, and finds out what has become of them. (bdrv_activate_all) */
export function activateAll(): Promise<void> {
  return graph().lock.run('activate all', (change) => migration.activateAll(graph(), change));
}

/** Takes one node back, and what is below it. (bdrv_activate) */
export function activateNode(node: NodeReference): Promise<void> {
  return graph().lock.run('activate', (change) =>
    migration.activateNode(graph(), resolve(node), change),
  );
}

/** The machine's run state, by which images are opened active or not; the VMM owns the object. */
export function setRunState(state: RunState): void {
  if (!(state instanceof RunState)) throw invalidArgumentType('state', 'a RunState', state);
  graph().runState = state;
}
