// What the demo writes. Every sector says where and when it belongs, so that a misplaced, stale,
// foreign or torn one is recognised:
//
//   word 0, 1   sector number, low and high 32 bits
//   word 2      generation: which request of the run wrote it, from 1
//   word 3      seed of the run
//   word 4..127 follow from these four
//
// Four 32-bit words at a time, and no object per sector: gigabytes per second, so that the disk is
// the limit.
import { mix32 } from '../shared/random.js';

export const SECTOR = 512;
export const SECTOR_WORDS = SECTOR / 4;
const HEADER_WORDS = 4;
/** 2^32 / golden ratio: successive multiples differ in all their bits. */
const STEP = 0x9e3779b9 | 0;
const STEP_2 = Math.imul(STEP, 2);
const STEP_3 = Math.imul(STEP, 3);
const STEP_4 = Math.imul(STEP, 4);

const lowWord = (sector: number): number => sector | 0;
const highWord = (sector: number): number => Math.floor(sector / 2 ** 32);

function bodyStart(low: number, high: number, generation: number, seed: number): number {
  return mix32(mix32(mix32(low ^ mix32(high)) + generation) + seed);
}

/** Fills `words` with sectors from number `first` on. */
export function fillSectors(
  words: Int32Array,
  first: number,
  sectors: number,
  generation: number,
  seed: number,
): void {
  for (let index = 0; index < sectors; index += 1) {
    const low = lowWord(first + index);
    const high = highWord(first + index);
    let at = index * SECTOR_WORDS;
    const end = at + SECTOR_WORDS;
    words[at] = low;
    words[at + 1] = high;
    words[at + 2] = generation;
    words[at + 3] = seed;
    let value = bodyStart(low, high, generation, seed);
    for (at += HEADER_WORDS; at < end; at += 4) {
      words[at] = value;
      words[at + 1] = value + STEP;
      words[at + 2] = value + STEP_2;
      words[at + 3] = value + STEP_3;
      value = (value + STEP_4) | 0;
    }
  }
}

function holdsSector(
  words: Int32Array,
  at: number,
  sector: number,
  generation: number,
  seed: number,
): boolean {
  const low = lowWord(sector);
  const high = highWord(sector);
  let differs =
    ((words[at] as number) ^ low) |
    ((words[at + 1] as number) ^ high) |
    ((words[at + 2] as number) ^ generation) |
    ((words[at + 3] as number) ^ seed);
  let value = bodyStart(low, high, generation, seed);
  const end = at + SECTOR_WORDS;
  for (let word = at + HEADER_WORDS; word < end; word += 4) {
    differs |=
      ((words[word] as number) ^ value) |
      ((words[word + 1] as number) ^ (value + STEP)) |
      ((words[word + 2] as number) ^ (value + STEP_2)) |
      ((words[word + 3] as number) ^ (value + STEP_3));
    value = (value + STEP_4) | 0;
  }
  return differs === 0;
}

function isZero(words: Int32Array, at: number): boolean {
  let differs = 0;
  for (let word = at; word < at + SECTOR_WORDS; word += 1) differs |= words[word] as number;
  return differs === 0;
}

/** The index of the first sector that is not as written, or -1. Generation 0: zeroes. */
export function findBadSector(
  words: Int32Array,
  first: number,
  sectors: number,
  generation: number,
  seed: number,
): number {
  for (let index = 0; index < sectors; index += 1) {
    const at = index * SECTOR_WORDS;
    const good =
      generation === 0
        ? isZero(words, at)
        : holdsSector(words, at, first + index, generation, seed | 0);
    if (!good) return index;
  }
  return -1;
}

/** What was expected, in words. */
export function describeExpected(sector: number, generation: number): string {
  return generation === 0 ? 'zeroes' : `sector ${sector} of generation ${generation}`;
}

/** What the sector at word `at` looks like, in words. */
export function describeFound(words: Int32Array, at: number, sector: number, seed: number): string {
  if (isZero(words, at)) return 'zeroes';
  const found = ((words[at] as number) >>> 0) + (words[at + 1] as number) * 2 ** 32;
  const generation = words[at + 2] as number;
  const itsSeed = words[at + 3] as number;
  if (!holdsSector(words, at, found, generation, itsSeed)) return foundPart(words, at);
  if (itsSeed !== (seed | 0)) return `sector ${found} of a run with seed ${itsSeed >>> 0}`;
  const what = found === sector ? 'its' : `sector ${found} of`;
  return `${what} generation ${generation} (${found === sector ? 'a lost write' : 'misplaced'})`;
}

/** A sector that is no whole one of any run. */
function foundPart(words: Int32Array, at: number): string {
  const header = Array.from(words.subarray(at, at + HEADER_WORDS), hexWord);
  return `a damaged or torn sector beginning ${header.join(' ')}`;
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
