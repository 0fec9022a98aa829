import type { GenerationMap } from './generation-map.js';
import { fillSectors, SECTOR } from './pattern.js';
import { laneBuffer, Phase, type PhaseResult } from './phase.js';
import { pipeline, WAIT } from './pipeline.js';
import { BLOCK, overlaps, type PlannedRequest, plannedRequests } from './request-plan.js';
import { phaseProgress, type Session } from './session.js';

const BLOCK_SECTORS = BLOCK / SECTOR;

/** Hands out planned writes in order, each when none under way overlaps it. */
class WriteQueue {
  readonly #plan: Iterator<PlannedRequest, undefined>;
  readonly #underWay = new Set<PlannedRequest>();
  #pending: PlannedRequest | undefined;

  constructor(plan: Iterator<PlannedRequest, undefined>) {
    this.#plan = plan;
  }

  take(): PlannedRequest | typeof WAIT | undefined {
    this.#pending ??= this.#plan.next().value;
    const request = this.#pending;
    if (request === undefined) return undefined;
    for (const other of this.#underWay) if (overlaps(request, other)) return WAIT;
    this.#underWay.add(request);
    this.#pending = undefined;
    return request;
  }

  done(request: PlannedRequest): void {
    this.#underWay.delete(request);
  }
}

/** Runs the plan, and notes in `map` what the image holds afterwards. */
export async function writePhase(session: Session, map: GenerationMap): Promise<PhaseResult> {
  const { blk, seed, blocks, limit, runtime, lanes, interruption } = session;
  const queue = new WriteQueue(plannedRequests(seed, blocks, limit));
  const phase = new Phase(blk);
  const progress = phaseProgress('write', phase, session);
  try {
    await pipeline(
      lanes,
      () => (interruption.requested || phase.seconds > runtime ? undefined : queue.take()),
      async (request, lane) => {
        const { first, generation } = request;
        fillSectors(
          lane.words,
          first * BLOCK_SECTORS,
          request.blocks * BLOCK_SECTORS,
          generation,
          seed,
        );
        map.record(request);
        const buffer = laneBuffer(lane, request);
        await phase.time(request, () => blk.pwrite(first * BLOCK, buffer));
        queue.done(request);
      },
    );
    return phase.result();
  } finally {
    progress.end();
  }
}
