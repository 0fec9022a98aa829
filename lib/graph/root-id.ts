import type { GraphRoot } from './root.js';

const ids = new WeakMap<GraphRoot, number>();
let lastId = 0;

/**
 * What tells roots without a name apart: unique, and never used again. Roots get it when they are
 * first asked about; ask them in order of creation.
 */
export function rootId(root: GraphRoot): number {
  let id = ids.get(root);
  if (id === undefined) {
    lastId += 1;
    id = lastId;
    ids.set(root, id);
  }
  return id;
}
