// A soak in words.
import { graphDump } from '../../dist/index.mjs';
import { openFiles, threads } from './leaks.mjs';

const MIB = 1024 * 1024;
const REQUESTS = ['read', 'write', 'zero-write', 'discard', 'flush'];
const MOST_PROBLEMS = 20;

function requestsOf(watch) {
  return REQUESTS.reduce((sum, kind) => sum + (watch.kinds.get(kind)?.count ?? 0), 0);
}

const longestOf = (watch) =>
  Math.max(0, ...[...watch.kinds.values()].map(({ longest }) => longest));

const counted = (world, prefix) =>
  [...world.counts].filter(([what]) => what.startsWith(prefix)).reduce((sum, [, n]) => sum + n, 0);

const byName = ([one], [other]) => (one < other ? -1 : 1);

export function roundText(seconds, { world, reference, growth }) {
  const { watch } = world;
  return [
    `${seconds.toFixed(0)} s`,
    `${requestsOf(watch)} requests`,
    `${counted(world, 'policy')} failed`,
    `graph ${counted(world, 'graph')}`,
    `media ${counted(world, 'media')}`,
    `throttle ${counted(world, 'throttle')}`,
    `drains ${counted(world, 'drain')}`,
    `workers ${counted(world, 'workers')}`,
    `slowest ${Math.round(longestOf(watch))} ms`,
    `machine stood still ${Math.round(reference.lost)} ms`,
    `${((growth.rounds.at(-1) ?? 0) / MIB).toFixed(1)} MiB`,
    `${openFiles()} files`,
    `${threads()} threads`,
  ].join(', ');
}

export function* reportText({ seed }, { world, growth }) {
  const { watch, counts, problems } = world;
  for (const [kind, { count, longest }] of [...watch.kinds].sort(byName)) {
    yield `${kind}: ${count}, the slowest ${Math.round(longest)} ms`;
  }
  for (const [what, count] of [...counts].sort(byName)) yield `${what}: ${count}`;
  yield `resident memory: ${growth.text}`;
  if (problems.length === 0) {
    yield `seed ${seed}: ${requestsOf(watch)} requests, nothing lost, nothing leaked, nothing stalled`;
    return;
  }
  for (const problem of problems.slice(0, MOST_PROBLEMS)) yield `PROBLEM ${problem}`;
  for (const text of watch.open.slice(0, MOST_PROBLEMS)) yield `not finished: ${text}`;
  yield `the graph: ${JSON.stringify(graphDump())}`;
  yield `seed ${seed}: FAILED`;
}
