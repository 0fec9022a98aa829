// What the pairs of runs of a row say.
import { median, medianInterval } from './statistics.mjs';

const COMPARE = {
  ratio: (ours, theirs) => ours / theirs,
  difference: (ours, theirs) => ours - theirs,
  value: (ours) => ours,
};

export function targetOf({ atLeast, atMost }) {
  if (atLeast !== undefined) return { at: 'at least', value: atLeast };
  return atMost === undefined ? undefined : { at: 'at most', value: atMost };
}

const isMet = ({ at, value }, found) => (at === 'at least' ? found >= value : found <= value);

/** How a row is named beside its name: who submits, and whose memory it is. */
function describe({ name, ours, theirs, metric, compare, unit, ...limits }) {
  const { api, memory } = ours;
  const peer = theirs && { side: theirs.side, api: theirs.api, memory: theirs.memory };
  return { name, api, memory, peer, metric, compare, unit, target: targetOf(limits) };
}

/** Of results that have it: not all sides take CPU time per request. */
function medianOf(results, key) {
  const values = results.map((result) => result?.[key]).filter(Number.isFinite);
  return values.length === 0 ? undefined : median(values);
}

/** Medians of both sides. */
function bothOf(pairs, key) {
  const of = (side) =>
    medianOf(
      pairs.map((pair) => pair[side]),
      key,
    );
  return { ours: of('ours'), theirs: of('theirs') };
}

export function judge(row, pairs) {
  const { metric, compare } = row;
  const samples = pairs.map(({ ours, theirs }) => [ours[metric], theirs?.[metric]]);
  const values = samples.map(([ours, theirs]) => COMPARE[compare](ours, theirs));
  const value = median(values);
  const described = describe(row);
  const { target } = described;
  return {
    ...described,
    pairs: pairs.length,
    value,
    interval: medianInterval(values),
    ours: median(samples.map(([ours]) => ours)),
    theirs: row.theirs && median(samples.map(([, theirs]) => theirs)),
    cpu_us_per_io: bothOf(pairs, 'cpu_us_per_io'),
    system_us_per_io: bothOf(pairs, 'system_us_per_io'),
    met: target && isMet(target, value),
    samples: pairs.map(({ ours, theirs }) => ({ ours, theirs })),
  };
}

/** A row that could not be measured, and why. */
export const unmeasured = (row, why) => ({ ...describe(row), ...why });
