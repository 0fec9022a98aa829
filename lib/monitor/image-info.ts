// What an image is, and those that it stands on (QAPI: ImageInfo).

import type { BlockNode } from '../graph/node.js';
import { NodeFilenames } from '../graph/node-filename.js';
import { skipImplicitFilters } from '../graph/surgery.js';
import type { AllocatedSizes } from './allocated-sizes.js';

/** QAPI: ImageInfo. */
export interface ImageInfo {
  readonly filename: string;
  readonly format: string;
  /** It was not closed properly. Absent where the driver says nothing of its image. */
  readonly 'dirty-flag'?: boolean;
  /** In bytes: what it occupies on its host. Absent where nobody knows. */
  readonly 'actual-size'?: number;
  /** In bytes. */
  readonly 'virtual-size': number;
  /** In bytes; absent without clusters. */
  readonly 'cluster-size'?: number;
  /** As the image has it. */
  readonly 'backing-filename'?: string;
  /** Where that is, seen from here. */
  readonly 'full-backing-filename'?: string;
  /** What this one stands on: what it filters, or its backing file. */
  readonly 'backing-image'?: ImageInfo;
}

/** What of the graph one query looks at, in one turn. */
export class ImageView {
  readonly names = new NodeFilenames();
  /** Those that were described: in chains of images most are met more than once. */
  readonly images = new Map<BlockNode, ImageInfo>();
  readonly sizes: AllocatedSizes;
  /** Filters that no user put there are left out. */
  readonly skipsImplicit: boolean;
  /** Nothing is shown of what a node stands on. */
  readonly flat: boolean;

  constructor(sizes: AllocatedSizes, { skipsImplicit = false, flat = false } = {}) {
    this.sizes = sizes;
    this.skipsImplicit = skipsImplicit;
    this.flat = flat;
  }
}

/** The node on which another stands in a chain: what it filters, or its backing file. */
export function standsOn(node: BlockNode): BlockNode | undefined {
  return (node.isFilter ? node.filtered : node.backing)?.child;
}

/** A node and all on which it stands, from above to below. */
export function chainOf(node: BlockNode, skipsImplicit: boolean): BlockNode[] {
  const chain: BlockNode[] = [];
  for (let next: BlockNode | undefined = node; next !== undefined; next = standsOn(next)) {
    if (skipsImplicit) next = skipImplicitFilters(next);
    chain.push(next);
  }
  return chain;
}

/** Of the first node of the chain; each of the others is the backing image of the one before. */
export function imageInfoOf(chain: readonly BlockNode[], view: ImageView): ImageInfo {
  const below = chain.findIndex((node) => view.images.has(node));
  const unknown = below < 0 ? chain : chain.slice(0, below);
  let image = below < 0 ? undefined : view.images.get(chain[below] as BlockNode);
  for (const node of unknown.toReversed()) {
    const own = ownInfo(node, view);
    image = Object.freeze(image === undefined ? own : { ...own, 'backing-image': image });
    view.images.set(node, image);
  }
  return image as ImageInfo;
}

function ownInfo(node: BlockNode, { sizes, names }: ImageView): ImageInfo {
  const { length, clusterSize } = node.info();
  const actualSize = sizes.get(node);
  return {
    filename: names.of(node),
    format: node.driver.name,
    ...(describesImage(node) ? { 'dirty-flag': false } : {}),
    ...(actualSize === undefined ? {} : { 'actual-size': actualSize }),
    'virtual-size': length,
    ...(clusterSize === 0 ? {} : { 'cluster-size': clusterSize }),
    ...backingNames(node, names),
  };
}

/** The driver, or that of the file below, has something to say of its image (bdrv_get_info). */
function describesImage(node: BlockNode): boolean {
  const { driver, storage } = node;
  return driver.describesImage ?? (storage !== undefined && describesImage(storage.child));
}

/** What the image itself says, whatever it stands on now. */
function backingNames(node: BlockNode, names: NodeFilenames): Partial<ImageInfo> {
  const name = node.driver.backingFilename?.(node) ?? '';
  if (name === '') return {};
  try {
    return { 'backing-filename': name, 'full-backing-filename': names.namedBacking(node) };
  } catch {
    return { 'backing-filename': name }; // a relative name that leads nowhere from here
  }
}
