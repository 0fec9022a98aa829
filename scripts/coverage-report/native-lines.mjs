// Which lines of native/ ran, as gcov counted. (gcovr 5 stumbles over the branches of coroutines.)
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { filesBelow } from '../lib/stale.mjs';

/** gcov's findings for one object file. */
function findings(counters) {
  const args = ['--json-format', '--stdout', counters];
  const { status, stdout, stderr } = spawnSync('gcov', args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`gcov: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .flatMap((line) => JSON.parse(line).files);
}

/** File of native/ -> line -> whether it ran in any program. */
export function nativeLines(root) {
  const files = new Map();
  for (const counters of filesBelow('san/coverage').filter((path) => path.endsWith('.gcda'))) {
    for (const { file, lines } of findings(counters)) {
      const name = relative(root, file);
      if (!name.startsWith('native/')) continue;
      const known = files.get(name) ?? new Map();
      files.set(name, known);
      for (const { line_number: line, count } of lines) {
        known.set(line, (known.get(line) ?? false) || count > 0);
      }
    }
  }
  return files;
}
