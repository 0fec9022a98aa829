// Reads per second of this package against others, as ratios.
import { runSide } from './lib/child.mjs';
import { readIntoCache } from './lib/image.mjs';
import { median } from './lib/statistics.mjs';

/** bench/sides/ says what exactly each of them does. */
const PEERS = {
  'fs-promises': 'fs.promises',
  'qemu-img': 'qemu-img bench',
};

const COMPARISONS = [
  { depth: 32, targets: { 'fs-promises': 6, 'qemu-img': 1 } },
  { depth: 1, targets: { 'fs-promises': 10 } },
];

/** One run of every side per round, so that what the machine does besides hits all alike. */
async function runRounds(sides, depth, settings, log) {
  const { rounds, seconds, image, blocks } = settings;
  const results = Object.fromEntries(sides.map((side) => [side, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const side of sides) {
      log(`4 KiB random reads, depth ${depth}, round ${round} of ${rounds}: ${side}`);
      readIntoCache(image);
      const { iops } = await runSide(side, { image, depth, seconds, blocks });
      results[side].push(iops);
    }
  }
  return results;
}

function rowOf(depth, peer, target, ours, theirs) {
  const ratios = ours.map((iops, round) => iops / theirs[round]);
  const ratio = median(ratios);
  return {
    name: `depth ${depth} vs ${PEERS[peer]}`,
    unit: 'ratio',
    value: ratio,
    low: Math.min(...ratios),
    high: Math.max(...ratios),
    ours: median(ours),
    theirs: median(theirs),
    target: { at: 'at least', value: target },
    met: ratio >= target,
  };
}

/** `missing` tells why a peer cannot run. */
export async function throughputRows(settings, missing, log) {
  const rows = [];
  for (const { depth, targets } of COMPARISONS) {
    const peers = Object.keys(targets).filter((peer) => missing[peer] === undefined);
    const results = await runRounds(['block-backend', ...peers], depth, settings, log);
    for (const [peer, target] of Object.entries(targets)) {
      if (missing[peer] !== undefined) {
        rows.push({ name: `depth ${depth} vs ${PEERS[peer]}`, skipped: missing[peer] });
      } else {
        rows.push(rowOf(depth, peer, target, results['block-backend'], results[peer]));
      }
    }
  }
  return rows;
}
