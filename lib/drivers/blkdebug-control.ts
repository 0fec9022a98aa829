// What users of a blkdebug node tell it while it runs.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { blkdebugDriver } from './blkdebug.js';
import type { BlkdebugEvent } from './blkdebug-rules.js';
import { NodeControl } from './node-control.js';

/**
 * Breakpoints and findings of a blkdebug node; every call throws ENOMEDIUM once it is closed.
 *
 * A request that waits at a breakpoint is in flight: drained sections, changes of the graph and
 * close() wait until it is resumed. Do not use the synchronous forms of a backend above while there
 * are breakpoints: nothing could resume them.
 */
export class Blkdebug {
  readonly #control: NodeControl;

  /** @internal */
  constructor(control: NodeControl) {
    this.#control = control;
  }

  /** The blkdebug node. */
  get node(): BlockNode {
    return this.#control.node;
  }

  /**
   * The next request that comes to the event waits there, under the tag; later ones pass. One that
   * meets several breakpoints waits at one after the other. (bdrv_debug_breakpoint)
   *
   * @throws BlockError EINVAL for an unknown event
   */
  breakpoint(event: BlkdebugEvent, tag: string): void {
    this.#control.ask('break', `${event}:${tag}`);
  }

  /**
   * Forgets the breakpoints of the tag and lets requests go on that wait there. How many did.
   * (bdrv_debug_remove_breakpoint)
   *
   * @throws BlockError ENOENT when there is neither
   */
  removeBreakpoint(tag: string): number {
    const resumed = this.#control.ask('remove-break', tag, [Errno.ENOENT]);
    if (resumed === Errno.ENOENT) throw this.#missing('remove breakpoint', 'breakpoint', tag);
    return resumed;
  }

  /**
   * Lets the request go on that has waited longest under the tag. (bdrv_debug_resume)
   *
   * @throws BlockError ENOENT when none waits
   */
  resume(tag: string): void {
    const answer = this.#control.ask('resume', tag, [Errno.ENOENT]);
    if (answer === Errno.ENOENT) throw this.#missing('resume', 'suspended request', tag);
  }

  /** A request waits under the tag. (bdrv_debug_is_suspended) */
  isSuspended(tag: string): boolean {
    return this.suspendedCount(tag) > 0;
  }

  /** How many requests wait under the tag. */
  suspendedCount(tag: string): number {
    return this.#control.ask('suspended', tag);
  }

  /** Of the rules; 1 at first. */
  get state(): number {
    return this.#control.ask('state');
  }

  /** How often the event has come since the node was opened. @throws BlockError EINVAL */
  eventCount(event: BlkdebugEvent): number {
    return this.#control.ask('events', event);
  }

  /**
   * Requests that did not keep to the limits of the node, and got EIO: each one shows a mistake of
   * the block layer. QEMU would abort.
   */
  get limitViolations(): number {
    return this.#control.ask('violations');
  }

  #missing(operation: string, what: string, tag: string): BlockError {
    const text = `there is no ${what} with the tag '${tag}'`;
    return new BlockError(Errno.ENOENT, { operation, node: this.node.name, text });
  }
}

/** The first blkdebug node from here down (bdrv_find_debug_node). */
function findDebugNode(node: BlockNode): BlockNode | undefined {
  let found: BlockNode | undefined = node;
  while (found !== undefined && found.driver.name !== blkdebugDriver.name) {
    found = found.storage?.child;
  }
  return found;
}

/**
 * The controls of the first blkdebug node at or below a node.
 *
 * @throws BlockError EINVAL when there is no such node, ENOTSUP when there is no blkdebug.
 */
export function blkdebug(node: BlockNode | string): Blkdebug {
  const start = typeof node === 'string' ? graph().find(node) : node;
  const found = findDebugNode(start);
  if (found !== undefined) return new Blkdebug(new NodeControl(found));
  const text = `neither it nor what holds its content is a 'blkdebug'`;
  throw new BlockError(Errno.ENOTSUP, { operation: 'debug', node: start.name, text });
}
