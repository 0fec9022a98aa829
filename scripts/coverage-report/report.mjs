// Coverage in numbers and in words.

/** 3, 5-7, 9 */
export function rangesText(numbers) {
  const ranges = [];
  for (const number of [...numbers].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

/** Of one file. */
function summary([file, lines]) {
  const missing = [...lines].filter(([, ran]) => !ran).map(([line]) => line);
  return { file, lines: lines.size, missing };
}

/** Of a half: its files with what they miss, those that miss most first, and the share. */
export function summarize(files) {
  const each = [...files].map(summary);
  const lines = each.reduce((sum, file) => sum + file.lines, 0);
  const missing = each.reduce((sum, file) => sum + file.missing.length, 0);
  each.sort((one, other) => other.missing.length - one.missing.length);
  return { lines, missing, percent: (100 * (lines - missing)) / lines, files: each };
}

const ofFiles = (half) => `${half.lines - half.missing} of ${half.lines} lines`;

/** For the terminal. */
export function summaryText(halves) {
  return Object.entries(halves)
    .map(([name, half]) => `${name}/: ${half.percent.toFixed(1)} % (${ofFiles(half)})`)
    .join('\n');
}

/** By the longest beginning of the file's path. */
function reasonFor(file, reasons) {
  const fitting = Object.keys(reasons).filter((start) => file.startsWith(start));
  return reasons[fitting.sort((one, other) => other.length - one.length)[0]] ?? 'nobody has looked';
}

function half(name, { files, percent, ...counts }, reasons) {
  const rows = files
    .filter(({ missing }) => missing.length > 0)
    .map(({ file, lines, missing }) => {
      const numbers = `${missing.length} of ${lines}`;
      return `| \`${file}\` | ${numbers} | ${reasonFor(file, reasons)} |`;
    });
  const full = files.length - rows.length;
  return `## ${name}/: ${percent.toFixed(1)} %

${ofFiles(counts)} run; ${full} of ${files.length} files run to the last line. The others:

| file | lines not run | what they are |
| --- | --- | --- |
${rows.join('\n')}
`;
}

/** docs/coverage.md */
export function documentText(halves, reasons) {
  return `# Coverage

Lines that the tests run, in jest and in every program that they start: \`npm run test:coverage\`, which
fails when a share falls below \`scripts/coverage-report/floor.json\`; with \`--update\` it writes that file and
this one. Lines are those that compile to something.

${Object.entries(halves)
  .map(([name, each]) => half(name, each, reasons))
  .join('\n')}`;
}
