// What became of the mutants, in a file that a later run goes on with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const idOf = ({ file, line, operator, after }) => `${file}:${line}:${operator}:${after.trim()}`;

export class Results {
  #file;
  #entries = new Map();

  constructor(file, seed) {
    this.#file = file;
    this.seed = seed;
    try {
      const known = JSON.parse(readFileSync(file, 'utf8'));
      if (known.seed !== seed) return;
      for (const entry of known.mutants) this.#entries.set(idOf(entry), entry);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }

  find(mutant) {
    return this.#entries.get(idOf(mutant));
  }

  add(mutant, verdict) {
    this.#entries.set(idOf(mutant), { ...mutant, ...verdict });
    mkdirSync(dirname(this.#file), { recursive: true });
    const content = { seed: this.seed, mutants: [...this.#entries.values()] };
    writeFileSync(this.#file, `${JSON.stringify(content, null, 2)}\n`);
  }
}

function share(entries) {
  const killed = entries.filter(({ status }) => status === 'killed').length;
  const survived = entries.filter(({ status }) => status === 'survived').length;
  return { killed, survived, percent: (100 * killed) / Math.max(1, killed + survived) };
}

const byName = ([one], [other]) => (one < other ? -1 : 1);

function row(name, entries) {
  const { killed, survived, percent } = share(entries);
  const numbers = [killed, survived, `${percent.toFixed(0)} %`].map((cell) =>
    String(cell).padStart(9),
  );
  return `${name.padEnd(12)}${numbers.join('')}`;
}

/** A table by halves and operators, and those that nobody noticed. */
export function tableText(entries) {
  const groups = (keyOf) => Object.entries(groupBy(entries, keyOf));
  const halves = groups(({ file }) => file.split('/')[0]);
  const operators = groups(({ operator }) => operator).sort(byName);
  const survivors = entries.filter(({ status }) => status === 'survived');
  return [
    `${''.padEnd(12)}${['killed', 'survived', 'share'].map((name) => name.padStart(9)).join('')}`,
    ...[...halves, ...operators].map(([name, of]) => row(name, of)),
    row('all', entries),
    ...survivors.map(({ file, line, before, after }) => {
      return `survived: ${file}:${line}\n  - ${before.trim()}\n  + ${after.trim()}`;
    }),
  ].join('\n');
}

/** Object.groupBy, which Node 20 has not. */
function groupBy(entries, keyOf) {
  const groups = {};
  for (const entry of entries) {
    const key = keyOf(entry);
    groups[key] ??= [];
    groups[key].push(entry);
  }
  return groups;
}

export const shareOf = (entries) => share(entries).percent;
