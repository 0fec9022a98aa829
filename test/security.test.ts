import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path: string): string => readFileSync(join(__dirname, '..', path), 'utf8');

/** As the whole of a value: `MOST = 1` is not in `MOST = 10`. */
function has(source: string, constant: string): boolean {
  return [';', ',', ' '].some((end) => source.includes(`${constant}${end}`));
}

test('security: every limit that docs/security.md names is the constant that it says', () => {
  const page = read('docs/security.md');
  const cells = [...page.matchAll(/^\|.*\| `((?:lib|native)\/\S+)` (`.*`) *\|$/gm)];
  const wrong = cells.flatMap(([, file = '', constants = '']) => {
    const source = read(file);
    return [...constants.matchAll(/`([^`]+)`/g)]
      .map(([, constant = '']) => constant)
      .filter((constant) => !has(source, constant))
      .map((constant) => `${file} has no ${constant}`);
  });
  expect(wrong).toEqual([]);
  expect(cells.length).toBeGreaterThan(30);
});
