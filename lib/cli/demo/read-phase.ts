// An image that must not be written: the same random ranges are read twice, and both times every
// byte must be the same.
import type { CorruptionList } from './corruption.js';
import { type Lane, laneBuffer, Phase, type PhaseResult } from './phase.js';
import { pipeline } from './pipeline.js';
import { BLOCK, type PlannedRequest, plannedRequests, type Range } from './request-plan.js';
import { phaseProgress, type Session } from './session.js';

/** FNV-1a over 32-bit words: sensitive to every bit and to their order. */
function checksum({ words }: Lane, { blocks }: Range): number {
  const end = (blocks * BLOCK) / 4;
  let hash = 0x811c9dc5;
  for (let at = 0; at < end; at += 1) hash = Math.imul(hash ^ (words[at] as number), 0x01000193);
  return hash >>> 0;
}

async function readPlan(
  session: Session,
  label: string,
  seen: (request: PlannedRequest, sum: number) => void,
): Promise<PhaseResult> {
  const { blk, lanes, seed, blocks, limit, runtime, interruption } = session;
  const plan = plannedRequests(seed, blocks, limit);
  const phase = new Phase(blk);
  const progress = phaseProgress(label, phase, session);
  try {
    await pipeline(
      lanes,
      () => (interruption.requested || phase.seconds > runtime ? undefined : plan.next().value),
      async (request, lane) => {
        const buffer = laneBuffer(lane, request);
        await phase.time(request, () => blk.pread(request.first * BLOCK, buffer));
        seen(request, checksum(lane, request));
      },
    );
    return phase.result();
  } finally {
    progress.end();
  }
}

export interface ReadResult {
  readonly first: PhaseResult;
  readonly second: PhaseResult;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, '0');

/** Both passes; what differs ends up in `corruptions`. */
export async function readPhases(
  session: Session,
  corruptions: CorruptionList,
): Promise<ReadResult> {
  const sums = new Map<number, number>();
  const first = await readPlan(session, 'read', ({ generation }, sum) => {
    sums.set(generation, sum);
  });
  const again: Session = {
    ...session,
    limit: { ...session.limit, requests: first.requests },
    runtime: Number.POSITIVE_INFINITY,
  };
  const second = await readPlan(again, 'reread', (request, sum) => {
    const before = sums.get(request.generation);
    if (before === undefined || before === sum) return;
    corruptions.add({
      offset: request.first * BLOCK,
      expected: `${request.blocks * BLOCK} bytes with checksum ${hex(before)}, as read before`,
      found: hex(sum),
    });
  });
  return { first, second };
}
