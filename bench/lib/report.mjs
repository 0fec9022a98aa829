// How a benchmark says what it found, and how it ends.
import Table from 'cli-table3';

export const log = (text) => process.stderr.write(`bench: ${text}\n`);

/** Columns of numbers below their heads; the first holds names. */
export function printTable(head, rows, footnote = '') {
  const table = new Table({
    head,
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  process.stdout.write(`${table.toString()}\n${footnote}`);
}

/** As the flags --json and --check say; `print` makes the table. A row without `met` has no target. */
export function report({ json, check }, rows, print) {
  if (json) process.stdout.write(`${JSON.stringify({ rows }, undefined, 2)}\n`);
  else print(rows);
  if (check && rows.some(({ met }) => met === false)) process.exitCode = 1;
}

/** Exits with 1 when the benchmark fails, with 2 when its flags make no sense. */
export function run(main) {
  main().catch((error) => {
    const isUsage = String(error.code).startsWith('ERR_PARSE_ARGS');
    log(isUsage ? error.message : error.stack);
    process.exitCode = isUsage ? 2 : 1;
  });
}
