// Finding out what format an image has, from its first bytes.

import { type DriverDefinition, drivers } from './driver-definition.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';
import { matchesAny } from './signature.js';

/** Bytes of the header that drivers may look at (QEMU: BLOCK_PROBE_BUF_SIZE). */
export const HEADER_BYTES = 512;

const CERTAIN = 100;

/** Reads through a backend without permissions: what is not known yet must not be locked. */
export type HeaderReader = (
  node: BlockNode,
  bytes: number,
  change: GraphChange,
) => Promise<Uint8Array>;

let reader: HeaderReader | undefined;

/** Backends are above the graph, so whoever has them says how to read. */
export function useHeaderReader(read: HeaderReader): void {
  reader = read;
}

/** The driver that is most certain; raw takes what nobody else knows (GRAPH-7). */
export function formatOf(header: Uint8Array, filename: string): DriverDefinition | undefined {
  let best: DriverDefinition | undefined;
  let most = 0;
  for (const driver of drivers()) {
    const known = matchesAny(driver.signatures ?? [], header);
    const score = known ? CERTAIN : (driver.probe?.(header, filename) ?? 0);
    if (score <= most) continue;
    best = driver;
    most = score;
  }
  return best;
}

export async function readHeader(node: BlockNode, change: GraphChange): Promise<Uint8Array> {
  return (await reader?.(node, HEADER_BYTES, change)) ?? new Uint8Array();
}
