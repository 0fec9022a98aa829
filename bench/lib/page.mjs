// Tables of docs/performance.md that benchmarks fill, between comments that name them.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as words from './words.mjs';

export const PAGE = 'docs/performance.md';

/** A table in Markdown, its columns as wide as their longest cell; the first holds names. */
export function markdownTable(head, rows) {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const lineOf = (row) =>
    `| ${row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  const [first, ...rest] = all.map(lineOf);
  return [first, `| ${rule.join(' | ')} |`, ...rest].join('\n');
}

/** `content` in the place of what stands between the comments of that name. */
export function fillIn(text, name, content) {
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for '${name}'`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}

export function fill(name, content) {
  const path = fileURLToPath(new URL(`../../${PAGE}`, import.meta.url));
  writeFileSync(path, fillIn(readFileSync(path, 'utf8'), name, content));
}

const HEAD = ['row', 'form, memory', 'result', 'interval', 'target', 'CPU us', 'theirs'];

function cells(row) {
  const first = [row.name, words.form(row)];
  if (row.value === undefined) return [...first, words.why(row).split('\n')[0], '', '', '', ''];
  const { value, met } = row;
  const result = words.result(row, value);
  return [
    ...first,
    met === false ? `**${result}**` : result,
    words.interval(row),
    words.target(row),
    words.cpuWithSystem(row, 'ours'),
    words.cpuWithSystem(row, 'theirs'),
  ];
}

/** What `npm run bench` found. */
export function resultsText({ rows, machine, cores, node, kernel, date, ...pace }) {
  const host = `${machine}, ${cores} cores, Linux ${kernel}, Node ${node}`;
  return `${host}, ${date.slice(0, 10)}. Each row: ${words.pace(pace)}.
Bold: the target is missed.

${markdownTable(HEAD, rows.map(cells))}`;
}

export const fillPage = (results) => fill('results', resultsText(results));
