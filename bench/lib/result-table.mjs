// The rows of `npm run bench` for people.
import { printTable } from './report.mjs';
import * as words from './words.mjs';

const HEAD = [
  '4 KiB random reads',
  'form, memory',
  'ours',
  'theirs',
  'result',
  '95 % interval',
  'target',
  'met',
  'CPU us',
  'theirs',
];

function cells(row) {
  const first = [row.name, words.form(row)];
  if (row.value === undefined) {
    return [...first, { colSpan: HEAD.length - first.length, content: words.why(row) }];
  }
  return [
    ...first,
    words.absolute(row, row.ours),
    words.absolute(row, row.theirs),
    words.result(row, row.value),
    words.interval(row),
    words.target(row),
    words.met(row),
    words.cpu(row.cpu_us_per_io.ours),
    words.cpu(row.cpu_us_per_io.theirs),
  ];
}

function footnote({ pairs, seconds }) {
  const runs = pairs === 1 ? 'One pair' : `Medians of ${pairs} pairs`;
  const few = pairs < 6 ? ' (too few pairs for 95 %: the whole range)' : '';
  return `${runs} of runs in turns, ${seconds} s each; cached file, raw over file, accounted. Interval of
the median by order statistics${few}. CPU: microseconds per request, of all threads and the kernel.
"timer": p99 lateness of a 1 ms interval, and what it is above that of an idle process.
`;
}

export function printResults({ rows, ...pace }) {
  printTable(HEAD, rows.map(cells), footnote(pace));
}
