// What tests of graph changes share.

import { graph } from '../../lib/graph/graph.js';
import {
  BlockBackend,
  type BlockError,
  type BlockNode,
  blockdevDel,
  graphDump,
} from '../../lib/index.js';

/** Closes every backend and every node of the monitor, from above to below. */
export async function clearGraph(): Promise<void> {
  for (const blk of BlockBackend.all()) await blk.close();
  for (;;) {
    const free = [...graph().nodes].filter((node) => node.monitorOwned && !node.parents.length);
    if (free.length === 0) break;
    for (const { name } of free) await blockdevDel(name);
  }
  expect(graphDump()).toEqual({ nodes: [], backends: [], edges: [] });
}

/** The error of a change that is refused and has left the graph as it was. */
export async function refused(change: () => Promise<unknown>): Promise<BlockError> {
  const before = graphDump();
  const error = await change().then(
    () => undefined,
    (reason: BlockError) => reason,
  );
  expect(graphDump()).toEqual(before);
  expect(error).toBeDefined();
  return error as BlockError;
}

/** 'parent.child -> node' of every edge, sorted; backends by name or '-'. */
export function links(): string[] {
  const edges = graphDump().edges.map(
    ({ parent, name, child }) => `${parent.name || '-'}.${name} -> ${child}`,
  );
  return edges.sort();
}

/** The node of that name. */
export function nodeOf(name: string): BlockNode {
  return graph().find(name);
}

/** Reads and writes all the time while `work` runs; all of them succeed. */
export async function underLoad<T>(blk: BlockBackend, work: () => Promise<T>): Promise<T> {
  let going = true;
  let requests = 0;
  const buffer = Buffer.alloc(512, 'l');
  const loop = async (): Promise<void> => {
    while (going) {
      await blk.pwrite(0, buffer);
      await blk.pread(0, Buffer.alloc(512));
      requests += 2;
    }
  };
  const loops = [loop(), loop()];
  try {
    return await work();
  } finally {
    going = false;
    await Promise.all(loops);
    expect(requests).toBeGreaterThan(0);
  }
}

/** `bytes` bytes at `offset`. */
export async function contentOf(blk: BlockBackend, offset: number, bytes: number): Promise<string> {
  const buffer = Buffer.alloc(bytes, '?');
  await blk.pread(offset, buffer);
  return buffer.toString('latin1');
}
