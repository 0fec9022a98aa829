// QMP's commands on the block graph.

import { AioContext } from '../aio/context.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { OptionBag, optionError } from '../graph/option-bag.js';
import { type BlockdevOptions, parseOptions } from '../graph/options.js';
import { reopen } from '../graph/reopen.js';
import { planReopen } from '../graph/reopen-plan.js';
import { append } from '../graph/surgery.js';
import { afterUser } from '../graph/users.js';

function commandError(errno: number, operation: string, text: string): BlockError {
  return new BlockError(errno, { operation, text });
}

function checkObject(options: unknown): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw invalidArgumentType('options', 'an object', options);
}

/** @throws BlockError ENOENT */
function nodeNamed(name: string, operation: string): BlockNode {
  const node = typeof name === 'string' ? graph().names.node(name) : undefined;
  if (node !== undefined) return node;
  throw commandError(Errno.ENOENT, operation, `cannot find a node named '${name}'`);
}

/**
 * Opens a node that lives until {@link blockdevDel}. (QMP: blockdev-add)
 *
 * @throws (rejects) BlockError EINVAL without a node-name or with wrong options, and whatever
 * opening the image gives; then nothing is left behind.
 */
export async function blockdevAdd(options: BlockdevOptions): Promise<BlockNode> {
  checkObject(options);
  const plan = parseOptions(options);
  if (typeof plan === 'string') throw optionError('', 'options are needed, not a name');
  if (plan.name === undefined) {
    throw optionError('node-name', 'is missing; a node at the root needs one');
  }
  return graph().lock.run('blockdev-add', async (change) => {
    const context = graph().contextFor(plan) ?? AioContext.main;
    const node = await graph().open(plan, context, change);
    node.monitorOwned = true;
    return node;
  });
}

/**
 * Closes a node that {@link blockdevAdd} opened and that nobody uses. (QMP: blockdev-del)
 *
 * @throws (rejects) BlockError, the first that holds: ENOENT unknown; EBUSY used by a backend, or
 * blocked; EPERM not owned by the monitor; EBUSY used by others.
 */
export async function blockdevDel(nodeName: string): Promise<void> {
  await graph().lock.run('blockdev-del', async (change) => {
    const operation = 'blockdev-del';
    const node = nodeNamed(nodeName, operation);
    if (node.hasBackend) throw commandError(Errno.EBUSY, operation, `node '${nodeName}' is in use`);
    const blocked = node.opBlocked('drive-del');
    if (blocked !== undefined) throw commandError(Errno.EBUSY, operation, blocked);
    if (!node.monitorOwned) {
      const text = `node '${nodeName}' is not owned by the monitor`;
      throw commandError(Errno.EPERM, operation, text);
    }
    if (node.parents.length > 0 || node.references > 0) {
      throw commandError(Errno.EBUSY, operation, `node '${nodeName}' is in use`);
    }
    node.monitorOwned = false;
    await afterUser(graph(), node, change);
  });
}

/**
 * Gives open nodes other options, all of them or none: what is not given gets its default. A child
 * given by name is led there; `backing: null` takes the backing file away. (QMP: blockdev-reopen)
 *
 * @throws (rejects) BlockError; then everything is as it was.
 */
export async function blockdevReopen(options: readonly BlockdevOptions[]): Promise<void> {
  if (!Array.isArray(options)) throw invalidArgumentType('options', 'an array', options);
  const bags = options.map((entry) => {
    checkObject(entry);
    return OptionBag.from(entry as { readonly [name: string]: unknown });
  });
  await graph().lock.run('blockdev-reopen', (change) => {
    const requests = bags.map((bag) => {
      const name = bag.takeString('node-name');
      if (name === undefined) throw optionError('node-name', 'is missing');
      return { node: nodeNamed(name, 'blockdev-reopen'), bag };
    });
    return reopen(graph(), planReopen(graph(), requests, 'reset'), change);
  });
}

/**
 * Puts a node that nobody uses on top of another: its users see the overlay from now on. (QMP:
 * blockdev-snapshot)
 *
 * @throws (rejects) BlockError ENOENT, EBUSY for an overlay with users or a blocked node, EINVAL
 * for one with a backing file or whose driver takes none.
 */
export async function blockdevSnapshot({
  node,
  overlay,
}: {
  readonly node: string;
  readonly overlay: string;
}): Promise<void> {
  const operation = 'blockdev-snapshot';
  await graph().lock.run(operation, (change) => {
    const top = graph().find(node);
    const above = nodeNamed(overlay, operation);
    const blocked = top.opBlocked('external-snapshot');
    if (blocked !== undefined) throw commandError(Errno.EBUSY, operation, blocked);
    if (above.parents.length > 0) {
      throw commandError(Errno.EBUSY, operation, `the overlay '${overlay}' is in use`);
    }
    if (above.backing !== undefined) {
      const text = `the overlay '${overlay}' has a backing file already`;
      throw commandError(Errno.EINVAL, operation, text);
    }
    return append(graph(), above, top, change);
  });
}

/**
 * Adds a child to a node, or takes one away, where its driver can. (QMP: x-blockdev-change)
 *
 * @throws (rejects) BlockError ENOTSUP for every driver without such a thing.
 */
export async function xBlockdevChange({
  parent,
  child,
  node,
}: {
  readonly parent: string;
  readonly child?: string;
  readonly node?: string;
}): Promise<void> {
  const operation = 'x-blockdev-change';
  await graph().lock.run(operation, async () => {
    const target = nodeNamed(parent, operation);
    if ((child === undefined) === (node === undefined)) {
      throw commandError(Errno.EINVAL, operation, 'either child or node must be given');
    }
    if (node !== undefined) nodeNamed(node, operation);
    const what = node === undefined ? 'removing a child' : 'adding a child';
    const text = `the driver '${target.driver.name}' of '${parent}' does not support ${what}`;
    throw commandError(Errno.ENOTSUP, operation, text);
  });
}
