// All mutants of the sources, and a seeded choice among them.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { transformSync } from '@swc/core';
import { randomNumbers } from '../differential/script.mjs';
import { filesBelow } from '../lib/stale.mjs';
import { mutationsOf } from './operators.mjs';

const HALVES = {
  lib: (path) => path.endsWith('.ts') && !path.endsWith('.d.ts'),
  native: (path) => /\.(?:cpp|hpp)$/.test(path),
};

/** Lines that say nothing at run time, or name what cannot be named otherwise. */
const SILENT = /^\s*(?:\/\/|\*|\/\*|#|import\b|export (?:\*|\{|type)|static_assert|namespace)/;

const blank = (text) => text.replace(/[^\n]/g, ' ');

/** The same text with comments and strings blanked out. */
function codeOf(text) {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    blank,
  );
}

/** What JavaScript comes of it; undefined: none. */
export function compiled(text) {
  try {
    return transformSync(text, { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } })
      .code;
  } catch {
    return undefined;
  }
}

function candidatesIn(root, path) {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  const codes = codeOf(text).split('\n');
  return lines.flatMap((line, index) => {
    if (SILENT.test(line) || codes[index].trim() === '') return [];
    return mutationsOf(line, codes[index]).map(([operator, after]) => ({
      file: relative(root, path),
      line: index + 1,
      operator,
      before: line,
      after,
    }));
  });
}

/** The text of a mutant's file. */
export function mutated(root, { file, line, after }) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  lines[line - 1] = after;
  return lines.join('\n');
}

/** A mutant that TypeScript's compiler does not see is none. */
function isReal(root, mutant) {
  if (!mutant.file.endsWith('.ts')) return true;
  const code = compiled(mutated(root, mutant));
  return code !== undefined && code !== compiled(readFileSync(join(root, mutant.file), 'utf8'));
}

/** An endless, repeatable choice among the mutants of one half; none comes twice. */
export function* choose(root, half, seed) {
  const files = filesBelow(half).filter(HALVES[half]);
  const pool = files.flatMap((path) => candidatesIn(root, path));
  const below = randomNumbers(seed);
  while (pool.length > 0) {
    const at = below(pool.length);
    const [mutant] = pool.splice(at, 1);
    if (isReal(root, mutant)) yield mutant;
  }
}
