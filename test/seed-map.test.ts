// Keeps docs/seed-map.md true: whatever it names is there, where it says.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/seed-map.md');

interface Row {
  readonly section: string;
  readonly name: string;
  readonly here: string;
  readonly shownBy: string;
}

function rowsOf(text: string): Row[] {
  let section = '';
  const rows: Row[] = [];
  for (const line of text.split('\n')) {
    section = /^## (.*)/.exec(line)?.[1] ?? section;
    const [, name, here, shownBy] = /^\| `(\w+)` *\| (.*?) *\| (.*?) *\|$/.exec(line) ?? [];
    if (name !== undefined) rows.push({ section, name, here: here ?? '', shownBy: shownBy ?? '' });
  }
  return rows;
}

/** What a cell has in backticks and outside of notes in parentheses, in order. */
function namesOf(cell: string): string[] {
  return [...cell.replace(/\(.*?\)/g, '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

/** Pairs of a file and a name in it. */
function placesOf({ here }: Row): [string, string][] {
  const places: [string, string][] = [];
  let file = '';
  for (const name of namesOf(here)) {
    if (name.includes('/')) file = name;
    else places.push([file, name]);
  }
  return places;
}

/** Whether the file does not only mention the name: as a member or function, or by its definition. */
function declares(file: string, name: string): boolean {
  const words = 'export|protected|private|static|override|async|readonly|get|set|function';
  const before = file.endsWith('.ts') ? `^\\s*(?:(?:${words}) )*` : '[\\w>] (?:\\w+::)?';
  return new RegExp(`${before}${name}\\b\\??[(<:;= ]`, 'm').test(read(file));
}

/** Pairs of a test file and an item. */
function shownOf({ shownBy }: Row): [string, string][] {
  return shownBy.split('; ').flatMap((part) => {
    const [, file = '', items = ''] = /^`(.*)` (.*)$/.exec(part) ?? [];
    return items.split(', ').map((item): [string, string] => [file, item]);
  });
}

function hasTest(name: string, item: string): boolean {
  const file = `test/${name}`;
  return existsSync(join(root, file)) && new RegExp(`["'\`]${item}: `).test(read(file));
}

const rows = rowsOf(page);
const isNone = ({ here }: Row): boolean => /^none: ./.test(here);
const mapped = rows.filter((row) => !isNone(row));

describe('seed-map', () => {
  test('seed-map: it has as many functions as it says, each once', () => {
    const ofSection = (pattern: RegExp): string[] =>
      rows.filter(({ section }) => pattern.test(section)).map(({ name }) => name);
    const others = /^(Wrappers|Only in|Elsewhere)/;
    const names = rows.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    const [, all] = /all (\d+) that the/.exec(page) ?? [];
    const [, wrappers] = /these (\d+) were written out/.exec(page) ?? [];
    expect(rows.length - ofSection(others).length).toBe(Number(all));
    expect(ofSection(/^Wrappers/).length).toBe(Number(wrappers));
  });

  test('seed-map: what it names is declared in the file that it names', () => {
    const wrong = mapped.flatMap((row) => {
      const places = placesOf(row);
      if (places.length === 0) return [`${row.name} is nowhere`];
      return places
        .filter(([file, name]) => !existsSync(join(root, file)) || !declares(file, name))
        .map((place) => `${row.name}: ${place.join(' ')}`);
    });
    expect(wrong).toEqual([]);
  });

  test('seed-map: what has a place has a test of that title, and nothing else has one', () => {
    const wrong = rows.flatMap((row) => {
      if (isNone(row)) return row.shownBy === '' ? [] : [`${row.name} is none`];
      if (row.shownBy === 'no test yet') return [];
      return shownOf(row)
        .filter(([file, item]) => !hasTest(file, item))
        .map((test) => `${row.name}: ${test.join(' ')}`);
    });
    expect(wrong).toEqual([]);
  });

  test('seed-map: it has every function that the sources of backends name', () => {
    const folder = readdirSync(join(root, 'lib/backend')).map((name) => `lib/backend/${name}`);
    const sources = ['lib/block-backend.ts', 'lib/graph/root.ts', ...folder].map(read).join('\n');
    const known = new Set(rows.map(({ name }) => name));
    const named = [...sources.matchAll(/\b(?:blk|monitor)_[a-z_]+\b(?!\*)/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
