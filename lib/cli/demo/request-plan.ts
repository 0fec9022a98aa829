import { Random } from '../shared/random.js';

/** The unit in which the demo places its requests. */
export const BLOCK = 4096;
export const MAX_BLOCKS = 64;

/** A piece of the image, in blocks. */
export interface Range {
  readonly first: number;
  readonly blocks: number;
}

export interface PlannedRequest extends Range {
  /** Its number in the plan, from 1. */
  readonly generation: number;
}

/** Where a plan ends: after so many requests, or else after the one that reaches so many bytes. */
export interface PlanLimit {
  readonly requests: number | undefined;
  readonly bytes: number;
}

/** 1 to 64 blocks; every power of two as often as the others. */
export function randomBlocks(random: Random): number {
  const base = 1 << random.below(7);
  return Math.min(base + random.below(base), MAX_BLOCKS);
}

/**
 * The requests of a run, 4 KiB to 256 KiB anywhere in the image: a seed gives the same ones every
 * time, so what an image must hold can be told later.
 */
export function* plannedRequests(
  seed: number,
  imageBlocks: number,
  limit: PlanLimit,
): Generator<PlannedRequest, undefined> {
  const random = new Random(seed);
  let bytes = 0;
  for (let generation = 1; ; generation += 1) {
    const over = limit.requests === undefined ? bytes >= limit.bytes : generation > limit.requests;
    if (over) return undefined;
    const blocks = Math.min(randomBlocks(random), imageBlocks);
    const first = random.below(imageBlocks - blocks + 1);
    bytes += blocks * BLOCK;
    yield { first, blocks, generation };
  }
}

export function overlaps(a: Range, b: Range): boolean {
  return a.first < b.first + b.blocks && b.first < a.first + a.blocks;
}
