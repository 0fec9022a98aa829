// How a driver's part of lib/ talks to its part of native/.

import { environment } from '../aio/environment.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';

/** Bytes of text in one answer of a native driver. */
const TEXT_STEP = 6;

export class NodeControl {
  readonly node: BlockNode;

  constructor(node: BlockNode) {
    this.node = node;
  }

  /**
   * Runs a control of the driver; `expected` errnos are answers like any other.
   *
   * @throws BlockError ENOMEDIUM when the node is closed
   */
  ask(command: string, argument = '', expected: readonly number[] = []): number {
    const { node } = this;
    const answer = node.isClosed
      ? Errno.ENOMEDIUM
      : environment().binding.nodeControl(node.handle, command, argument);
    if (answer >= 0 || expected.includes(answer)) return answer;
    throw new BlockError(answer, { operation: command, node: node.name });
  }

  /** A text of the driver's, which answers with a few of its bytes at a time. */
  text(name: string): string {
    const length = this.ask('text-length', name);
    const bytes = Buffer.alloc(length + TEXT_STEP);
    for (let at = 0; at < length; at += TEXT_STEP) {
      bytes.writeUIntLE(this.ask('text-bytes', `${name}:${at}`), at, TEXT_STEP);
    }
    return bytes.toString('utf8', 0, length);
  }
}

/** @throws BlockError EINVAL when there is no such node, or its driver is another. */
export function controlOf(node: BlockNode | string, driver: string): NodeControl {
  const found = typeof node === 'string' ? graph().find(node) : node;
  if (found.driver.name === driver) return new NodeControl(found);
  const text = `its driver is '${found.driver.name}', not '${driver}'`;
  throw new BlockError(Errno.EINVAL, { operation: 'control', node: found.name, text });
}
