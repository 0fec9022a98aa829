import { bytes } from '../shared/format.js';
import { startProgress } from '../shared/progress.js';
import { Random } from '../shared/random.js';
import type { CorruptionList } from './corruption.js';
import type { GenerationMap } from './generation-map.js';
import { describeExpected, describeFound, findBadSector, SECTOR, SECTOR_WORDS } from './pattern.js';
import { type Lane, laneBuffer, Phase, type PhaseResult } from './phase.js';
import { pipeline } from './pipeline.js';
import { BLOCK, type Range, randomBlocks } from './request-plan.js';
import type { Session } from './session.js';

const BLOCK_SECTORS = BLOCK / SECTOR;
const BLOCK_WORDS = BLOCK_SECTORS * SECTOR_WORDS;

export interface VerifySettings {
  readonly map: GenerationMap;
  /** What was never written must be zeroes. */
  readonly blank: boolean;
  readonly corruptions: CorruptionList;
}

/** Judges what was read; one entry per bad block. */
function checkRange(lane: Lane, range: Range, seed: number, settings: VerifySettings): void {
  const { map, corruptions } = settings;
  for (let index = 0; index < range.blocks; index += 1) {
    const block = range.first + index;
    const generation = map.get(block);
    const start = block * BLOCK_SECTORS;
    const words = lane.words.subarray(index * BLOCK_WORDS, (index + 1) * BLOCK_WORDS);
    const bad = findBadSector(words, start, BLOCK_SECTORS, generation, seed);
    if (bad < 0) continue;
    const sector = start + bad;
    corruptions.add({
      offset: sector * SECTOR,
      expected: describeExpected(sector, generation),
      found: describeFound(words, bad * SECTOR_WORDS, sector, seed),
    });
  }
}

/** Reads back what the map knows of, in requests of random sizes, and compares every byte. */
export async function verifyPhase(
  { blk, lanes, seed, blocks, interruption }: Session,
  settings: VerifySettings,
): Promise<PhaseResult> {
  const { map, blank } = settings;
  const random = new Random(seed);
  const ranges = map.ranges(() => randomBlocks(random), blank);
  const total = (blank ? blocks : map.written) * BLOCK;
  const phase = new Phase(blk);
  const progress = startProgress({
    label: 'verify',
    fraction: () => phase.bytes / total,
    detail: () => bytes(phase.bytes),
  });
  try {
    await pipeline(
      lanes,
      () => (interruption.requested ? undefined : ranges.next().value),
      async (range, lane) => {
        await phase.time(range, () => blk.pread(range.first * BLOCK, laneBuffer(lane, range)));
        checkRange(lane, range, seed, settings);
      },
    );
    return phase.result();
  } finally {
    progress.end();
  }
}
