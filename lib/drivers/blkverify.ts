import { ChildRole } from '../aio/protocol.js';
import type { DriverDefinition, DriverOptions } from '../graph/driver-definition.js';
import { optionsFor } from '../graph/filename.js';
import type { BlockNode } from '../graph/node.js';
import { controlOf, type NodeControl } from './node-control.js';

const CHILDREN = ['raw', 'test'] as const;

/** 'blkverify:raw.img:test.img' */
function protocol(filename: string): DriverOptions | undefined {
  const [, ...names] = /^blkverify:([^:]+):(.+)$/s.exec(filename) ?? [];
  if (names.length === 0) return undefined;
  const options = CHILDREN.flatMap((child, index) =>
    Object.entries(optionsFor(names[index] as string)).map(([key, value]) => [
      `${child}.${key}`,
      value,
    ]),
  );
  return Object.fromEntries(options);
}

/** The one of both images, where both have one. */
function exactFilename(node: BlockNode, nameOf: (child: BlockNode) => string): string {
  const names = CHILDREN.map((name) => node.child(name)?.edge.child).map((child) =>
    child === undefined ? '' : nameOf(child),
  );
  return names.includes('') ? '' : ['blkverify', ...names].join(':');
}

/**
 * Two images that must have the same content (block/blkverify.c): `test` is the one under test,
 * `raw` the one that is trusted. Where they differ, requests fail with EIO; QEMU would exit.
 */
export const blkverify: DriverDefinition = {
  name: 'blkverify',
  options: [],
  protocol,
  exactFilename: (node, _given, nameOf) => exactFilename(node, nameOf),
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

/**
 * What a blkverify node has found.
 *
 * @throws BlockError EINVAL when the node is no blkverify, ENOMEDIUM when it is closed.
 */
export function verification(node: BlockNode | string): Verification {
  const control = controlOf(node, blkverify.name);
  return Object.freeze({
    firstMismatch: firstMismatch(control),
    mismatches: control.ask('mismatches'),
    disagreements: control.ask('disagreements'),
  });
}
