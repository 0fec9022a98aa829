import type { BlockBackend } from '../../block-backend.js';
import { bytes } from '../shared/format.js';
import type { Interruption } from '../shared/interruption.js';
import { type Progress, startProgress } from '../shared/progress.js';
import type { Lane, Phase } from './phase.js';
import { BLOCK, type PlanLimit } from './request-plan.js';

/** What all parts of a run have in common. */
export interface Session {
  readonly blk: BlockBackend;
  readonly lanes: readonly Lane[];
  readonly seed: number;
  /** Of the image, or the part of it that is used. */
  readonly blocks: number;
  readonly limit: PlanLimit;
  /** Seconds after which no further request is taken from the plan. */
  readonly runtime: number;
  readonly interruption: Interruption;
}

/** Enough to write everything several times, and to be done soon on large images. */
const PASSES = 4;
const MAX_BYTES = 1024 ** 3;

export function planLimit(blocks: number, requests: number | undefined): PlanLimit {
  return { requests, bytes: Math.min(PASSES * blocks * BLOCK, MAX_BYTES) };
}

/** Progress of a phase that ends at a number of requests or bytes, or when its time is over. */
export function phaseProgress(label: string, phase: Phase, session: Session): Progress {
  const { limit, runtime } = session;
  return startProgress({
    label,
    fraction: () => {
      const share =
        limit.requests === undefined ? phase.bytes / limit.bytes : phase.requests / limit.requests;
      return Math.max(share, phase.seconds / runtime);
    },
    detail: () => bytes(phase.bytes),
  });
}
