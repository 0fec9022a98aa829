import Table from 'cli-table3';

// No colours: the tables end up in files and bug reports.
const style = { head: [], border: [], 'padding-left': 1, 'padding-right': 1, compact: true };

/** A heading and rows; all columns but the first are numbers, to the right. */
export function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const colAligns = head.map((_, index) => (index === 0 ? 'left' : 'right') as 'left' | 'right');
  const table = new Table({ head: [...head], colAligns, style });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** Lines of 'name   value', the values aligned. Entries without a value are left out. */
export function properties(entries: readonly (readonly [string, string | undefined])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join('\n');
}
