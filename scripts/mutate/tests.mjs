// Which tests judge a mutant: those nearest to it first.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { filesBelow } from '../lib/stale.mjs';

/** So many test files at most in a round. */
const MOST_NEAR = 8;
const MOST_FAR = 30;

/** Suites that take minutes, or measure. */
const SLOW =
  /^test\/(?:scale|bench|v86\/guest|crash|soak|mutate|native\.test|differential|package)/;

/** Folders of test/ for what has no folder of its own there. */
const FOLDERS = {
  'native/block': ['test/backend', 'test/graph'],
  'native/binding': ['test/backend', 'test/aio', 'test/life', 'test/graph'],
  'native/drivers': ['test/drivers', 'test/backend'],
  'native/exports': ['test/exports'],
  'native/aio': ['test/aio', 'test/backend', 'test/life'],
  'native/throttle': ['test/throttle', 'test/backend'],
  'native/accounting': ['test/accounting'],
  'lib/errors': ['test/backend', 'test/graph'],
  'lib/metrics': ['test/metrics'],
};

const stemOf = (path) => basename(path).replace(/\.(?:test\.ts|ts|cpp|hpp)$/, '');

function foldersOf(file) {
  const folder = dirname(file);
  const parts = folder.split('/');
  return FOLDERS[folder] ?? [join('test', ...parts.slice(1)), join('test', parts[1] ?? '')];
}

/** What a module of lib/ exports by name, and what it is called in other halves. */
function wordsOf(root, file) {
  const text = readFileSync(join(root, file), 'utf8');
  const exported = /^export (?:async |abstract )*(?:function\*?|class|const) (\w+)/gm;
  return [...text.matchAll(exported)].map(([, name]) => name);
}

/** How near a test is to the file: 0 is not at all. */
function nearness(file, words, test, text) {
  const stem = stemOf(file);
  const own = stemOf(test);
  const folders = foldersOf(file);
  let points = 0;
  if (own === stem) points += 100;
  else if (own.startsWith(stem) || stem.startsWith(own)) points += 60;
  else if (own.split('-')[0] === stem.split('-')[0]) points += 30;
  if (folders.some((folder) => test.startsWith(`${folder}/`))) points += 20;
  points += 10 * words.filter((word) => new RegExp(`\\b${word}\\b`).test(text)).length;
  return points;
}

/** Rounds of jest's test files for a mutant in `file`, nearest first. */
export function roundsFor(root, file) {
  const words = file.startsWith('lib/') ? wordsOf(root, file) : [];
  const tests = filesBelow('test')
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => relative(root, path))
    .filter((test) => !SLOW.test(test))
    .map((test) => {
      const text = readFileSync(join(root, test), 'utf8');
      return { test, points: nearness(file, words, test, text) };
    })
    .filter(({ points }) => points > 0)
    .sort((one, other) => other.points - one.points)
    .map(({ test }) => test);
  const rounds = [tests.slice(0, MOST_NEAR), tests.slice(MOST_NEAR, MOST_NEAR + MOST_FAR)];
  return rounds.filter((round) => round.length > 0);
}
