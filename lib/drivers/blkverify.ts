import { ChildRole } from '../aio/protocol.js';
import type { DriverDefinition } from '../graph/driver-definition.js';
import type { BlockNode } from '../graph/node.js';
import { controlOf, type NodeControl } from './node-control.js';

/**
 * Two images that must have the same content (block/blkverify.c): `test` is the one under test,
 * `raw` the one that is trusted. Where they differ, requests fail with EIO; QEMU would exit.
 */
export const blkverify: DriverDefinition = {
  name: 'blkverify',
  options: [],
  // QEMU's order, too: `raw` is what the filter filters, `test` gives the length.
  children: [
    { name: 'raw', required: true, role: () => ChildRole.filtered | ChildRole.primary },
    { name: 'test', required: true, role: () => ChildRole.data },
  ],
};

/** What a blkverify node has found so far. */
export interface Verification {
  /** The offset of the first byte that differed. */
  readonly firstMismatch: number | undefined;
  /** Reads that differed. */
  readonly mismatches: number;
  /** Requests of which one image said something else than the other. */
  readonly disagreements: number;
}

const ENOENT = -2;

function firstMismatch(control: NodeControl): number | undefined {
  const offset = control.ask('first-mismatch', '', [ENOENT]);
  return offset === ENOENT ? undefined : offset;
}

/** @throws BlockError EINVAL when the node is no blkverify, ENOMEDIUM when it is closed. */
export function verification(node: BlockNode | string): Verification {
  const control = controlOf(node, blkverify.name);
  return Object.freeze({
    firstMismatch: firstMismatch(control),
    mismatches: control.ask('mismatches'),
    disagreements: control.ask('disagreements'),
  });
}
