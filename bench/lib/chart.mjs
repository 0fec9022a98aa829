// The ratios as a picture: a bar for each row, from 1 x to its ratio on a logarithmic scale, its
// interval, and a mark at the target.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as words from './words.mjs';

export const CHART = 'docs/ratios.svg';

const ROW = 22;
const TOP = 74;
const LABELS = 330;
const PLOT = 360;
const VALUES = 170;
const WIDTH = LABELS + PLOT + VALUES;
const BAR = 11;

const STYLE = `text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 11px }
.met { fill: #2f9e63 } .missed { fill: #cf5b56 } .other { fill: #8a94a0 }
.grid { stroke: #8a94a0; stroke-opacity: .25 } .one { stroke: #8a94a0 }
.interval { stroke: #57606a; stroke-width: 1.5 } .target { stroke: #57606a; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #adb5bd } .interval, .target { stroke: #dee2e6 }
}`;

const escaped = (text) =>
  text.replace(/[&<>]/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[one]);
const text = (x, y, content, attributes = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;
const line = (x1, y1, x2, y2, name) =>
  `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" class="${name}"/>`;

/** Powers of two that hold all values. */
function scaleFor(values) {
  const first = Math.min(-1, Math.floor(Math.log2(Math.min(...values))));
  const last = Math.max(1, Math.ceil(Math.log2(Math.max(...values))));
  const x = (ratio) => LABELS + ((Math.log2(ratio) - first) / (last - first)) * PLOT;
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 2 ** (first + index));
  return { x, ticks };
}

function classOf({ met }) {
  if (met === undefined) return 'other';
  return met ? 'met' : 'missed';
}

function bar(row, y, x) {
  const [from, to] = [x(1), x(row.value)].sort((a, b) => a - b);
  const middle = y + ROW / 2;
  const { low, high } = row.interval;
  const parts = [
    text(LABELS - 10, middle + 4, row.name, 'text-anchor="end"'),
    `<rect x="${from.toFixed(1)}" y="${middle - BAR / 2}" width="${Math.max(1, to - from).toFixed(1)}" height="${BAR}" class="${classOf(row)}"/>`,
    line(x(low), middle, x(high), middle, 'interval'),
  ];
  if (row.target !== undefined) {
    const at = x(row.target.value);
    parts.push(line(at, middle - BAR, at, middle + BAR, 'target'));
  }
  const goal = row.target === undefined ? '' : ` (${row.target.at} ${row.target.value})`;
  const label = `${words.result(row, row.value)}${goal}`;
  parts.push(text(LABELS + PLOT + 14, middle + 4, label));
  return parts.join('\n');
}

/** The picture of all rows that have a ratio. */
export function chartOf({ rows, machine, cores, node, ...pace }) {
  const shown = rows.filter(({ compare, value }) => compare === 'ratio' && value !== undefined);
  const values = shown.flatMap(({ interval, value, target }) => [
    interval.low,
    interval.high,
    value,
    target?.value ?? 1,
  ]);
  const { x, ticks } = scaleFor(values);
  const bottom = TOP + shown.length * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 12}" role="img" aria-label="Ratios to other software">`,
    `<style>${STYLE}</style>`,
    text(LABELS - 10, 22, 'block-backend to its peers', 'class="title" text-anchor="end"'),
    text(LABELS, 22, `Node ${node}, ${words.pace(pace)}`, 'class="small"'),
    text(LABELS, 38, `${machine}, ${cores} cores; upright marks: targets`, 'class="small"'),
    ...ticks.map((tick) => line(x(tick), TOP - 8, x(tick), bottom, tick === 1 ? 'one' : 'grid')),
    ...ticks.map((tick) =>
      text(x(tick), TOP - 14, `${tick} x`, 'class="small" text-anchor="middle"'),
    ),
    ...shown.map((row, index) => bar(row, TOP + index * ROW, x)),
    '</svg>\n',
  ].join('\n');
}

export function drawChart(results) {
  const path = fileURLToPath(new URL(`../../${CHART}`, import.meta.url));
  writeFileSync(path, chartOf(results));
}
