// Keeps docs/behaviours.md honest: an item is shown exactly when the title of a test starts with it.
//
//   node scripts/behaviours.mjs            checks; exit code 1 and a list when something is wrong
//   node scripts/behaviours.mjs --write    fills in the columns and totals that can be computed
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inRoot } from './lib/project.mjs';
import { filesBelow } from './lib/stale.mjs';

const page = 'docs/behaviours.md';

/** Every area that behaviours are grouped into, with a table of its own on the page or not yet. */
const areas = new Set(
  `LC NAME ATT PERM INACT DEV MED ERR REQ RW FUA ZERO DISC FLUSH TRUNC COPY MISC AIO TRK DRAIN THR TG
  TQ ACCT TA CTX OPB PLUG GRAPH REOP BST FILE LOCK RAW TDRV QRY WTH EXP NEW`.split(/\s+/),
);

/** What a row may claim; the first two need tests, the others must have none. */
const statuses = ['shown', 'partly', 'not yet', 'does not apply'];
const hasTests = (status) => status === 'shown' || status === 'partly';

const areaOf = (id) => id.slice(0, id.indexOf('-'));

/** Item -> the test files with a title that starts with it. */
function shownItems() {
  const items = new Map();
  for (const file of filesBelow('test').filter((name) => /\.(ts|cpp)$/.test(name))) {
    const text = readFileSync(file, 'utf8');
    for (const [, id] of text.matchAll(/["'`]([A-Z]+-\d+): /g)) {
      const files = items.get(id) ?? new Set();
      items.set(id, files.add(relative(inRoot('test'), file)));
    }
  }
  return items;
}

/** The cells of a table's line; none of any other line. */
function cellsOf(text) {
  if (!text.startsWith('|')) return [];
  return text
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** The page in lines, its rows parsed: { line, id, status, files, note }. */
function readPage() {
  const lines = readFileSync(inRoot(page), 'utf8').split('\n');
  const rows = [];
  for (const [line, text] of lines.entries()) {
    const [id = '', status, files, note] = cellsOf(text);
    if (/^[A-Z]+-\d+$/.test(id)) rows.push({ line, id, status, files, note });
  }
  return { lines, rows };
}

const totalsPattern = /^Items: .*$/;

function totals(rows) {
  const counts = statuses.map(
    (status) => `${rows.filter((row) => row.status === status).length} ${status}`,
  );
  return `Items: ${rows.length} (${counts.join(', ')}).`;
}

function fileColumn(files) {
  return [...(files ?? [])].sort((a, b) => (a < b ? -1 : 1)).join(', ');
}

/** The lines of a table, its columns as wide as their longest cell, as the formatter has them. */
function alignTable(lines, first, end) {
  const table = lines.slice(first, end).map(cellsOf);
  const isRule = (cell) => /^-+$/.test(cell);
  const widths = table[0].map((_, column) =>
    Math.max(3, ...table.map((row) => (isRule(row[column]) ? 0 : row[column].length))),
  );
  for (const [index, row] of table.entries()) {
    const cells = row.map((cell, column) =>
      isRule(cell) ? '-'.repeat(widths[column]) : cell.padEnd(widths[column]),
    );
    lines[first + index] = `| ${cells.join(' | ')} |`;
  }
}

/** Sentences about what is wrong with the page or with titles. */
export function problems() {
  const { lines, rows } = readPage();
  const shown = shownItems();
  const found = [];
  const known = new Map();
  for (const row of rows) {
    const { id, status, files, note } = row;
    if (known.has(id)) found.push(`${id} has two rows`);
    known.set(id, row);
    if (!statuses.includes(status)) found.push(`${id}: there is no status '${status}'`);
    if (hasTests(status) && !shown.has(id)) found.push(`${id} is '${status}' and has no test`);
    if (!hasTests(status) && shown.has(id)) found.push(`${id} is '${status}' and has a test`);
    if (status !== 'shown' && note === '') found.push(`${id}: '${status}' needs a reason`);
    if (hasTests(status) && shown.has(id) && files !== fileColumn(shown.get(id))) {
      found.push(`${id}: its tests are in ${fileColumn(shown.get(id))} (--write corrects it)`);
    }
  }
  const documented = new Set(rows.map(({ id }) => areaOf(id)));
  for (const [id, files] of shown) {
    if (!areas.has(areaOf(id))) found.push(`${id} in ${fileColumn(files)}: no such area`);
    else if (documented.has(areaOf(id)) && !known.has(id)) found.push(`${id} has no row`);
  }
  if (!lines.includes(totals(rows))) found.push('the totals are wrong (--write corrects them)');
  return found.map((problem) => `${page}: ${problem}`);
}

function write() {
  const { lines, rows } = readPage();
  const shown = shownItems();
  for (const row of rows) {
    const { id, status, note } = row;
    lines[row.line] = `| ${id} | ${status} | ${fileColumn(shown.get(id))} | ${note} |`;
  }
  const index = lines.findIndex((text) => totalsPattern.test(text));
  if (index >= 0) lines[index] = totals(rows);
  for (let first = 0; first < lines.length; first += 1) {
    let end = first;
    while (cellsOf(lines[end] ?? '').length > 0) end += 1;
    if (end > first) alignTable(lines, first, end);
    first = end;
  }
  writeFileSync(inRoot(page), lines.join('\n'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--write')) write();
  const found = problems();
  for (const problem of found) console.error(problem);
  process.exitCode = found.length === 0 ? 0 : 1;
}
