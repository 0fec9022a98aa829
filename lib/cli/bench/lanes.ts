import type { BlockBackend } from '../../block-backend.js';
import { Random } from '../shared/random.js';
import type { BenchOptions } from './options.js';

/** The memory of one request at a time. */
export interface Lane {
  readonly buffer: Buffer;
  /** The same memory. */
  readonly words: Uint32Array;
}

/** Filled, so that no file system can take a shortcut for zeroes. */
export function makeLanes(blk: BlockBackend, options: BenchOptions): Lane[] {
  const { bs, iodepth, memory, seed } = options;
  const random = new Random(seed);
  return Array.from({ length: iodepth }, () => {
    // Buffer.alloc never carves from Node's own pool, so this is aligned for the words.
    const buffer = memory === 'pool' ? blk.allocate(bs) : Buffer.alloc(bs);
    const words = new Uint32Array(buffer.buffer, buffer.byteOffset, bs / 4);
    for (let at = 0; at < words.length; at += 1) words[at] = random.word();
    return { buffer, words };
  });
}
