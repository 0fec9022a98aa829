// What a disk must hold. Every 16 bytes say on which disk, where, and in which generation they were
// written, so that a byte from elsewhere or from another time is seen. It uses nothing of what it
// judges.

export const BLOCK = 4096;
const RECORD_WORDS = 4;
const RECORDS = BLOCK / (RECORD_WORDS * 4);
const MAGIC = 0x5a5a5a5a;

/** Odd generations are data, even ones zeroes. */
export const isZeroes = (generation) => generation % 2 === 0;

const wordsOf = (bytes) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);

/** Fills whole blocks with what `generation` has there; `bytes` begins at a multiple of 4. */
export function fill(bytes, disk, firstBlock, generation) {
  const words = wordsOf(bytes);
  const firstRecord = firstBlock * RECORDS;
  for (let at = 0, record = firstRecord; at < words.length; at += RECORD_WORDS, record += 1) {
    words[at] = disk;
    words[at + 1] = record;
    words[at + 2] = generation;
    words[at + 3] = disk ^ record ^ generation ^ MAGIC;
  }
}

/** The generation of a record; undefined: it is none of this place. */
function generationAt(words, at, disk, record) {
  const generation = words[at + 2];
  const check = (disk ^ record ^ generation ^ MAGIC) >>> 0;
  const isData = words[at] === disk && words[at + 1] === record && words[at + 3] === check;
  if (isData) return isZeroes(generation) ? undefined : generation;
  const zeroes = (words[at] | words[at + 1] | generation | words[at + 3]) === 0;
  return zeroes ? 0 : undefined;
}

function recordText(words, at) {
  return Array.from(words.subarray(at, at + RECORD_WORDS), (word) => word.toString(16)).join(' ');
}

/** Of one block: its generations in the order of their writes, from the last that is certain. */
class Place {
  written = [0];
  /** Index in `written` of the oldest that may be there. */
  certain = 0;
  readers = 0;

  trim() {
    if (this.readers > 0 || this.certain === 0) return;
    this.written.splice(0, this.certain);
    this.certain = 0;
  }
}

/**
 * One medium. Writes to a block come one after the other; reads may come at any time, and see, record
 * by record, any generation between the last one that was acknowledged before and the last one that
 * was begun meanwhile.
 */
export class Medium {
  #places;

  constructor(disk, blocks) {
    this.disk = disk;
    this.#places = Array.from({ length: blocks }, () => new Place());
  }

  get blocks() {
    return this.#places.length;
  }

  #each(first, count, body) {
    for (let block = first; block < first + count; block += 1) body(this.#places[block], block);
  }

  /** From now on the blocks may hold it. */
  begin(first, count, generation) {
    this.#each(first, count, (place) => place.written.push(generation));
  }

  /** It was acknowledged: from now on the blocks hold nothing older. */
  acknowledge(first, count, generation) {
    this.#each(first, count, (place) => {
      place.certain = place.written.lastIndexOf(generation);
      place.trim();
    });
  }

  /** It never came here. */
  retract(first, count, generation) {
    this.#each(first, count, (place) => {
      place.written.splice(place.written.lastIndexOf(generation), 1);
    });
  }

  /** Remembers what may be there now; what it returns judges bytes read since. */
  reading(first, count) {
    const starts = [];
    this.#each(first, count, (place) => {
      place.readers += 1;
      starts.push(place.certain);
    });
    const allowed = () =>
      starts.map((start, index) => this.#places[first + index].written.slice(start));
    return {
      /** What is wrong with the bytes; undefined: nothing. */
      problem: (bytes) => this.#problem(bytes, first, allowed()),
      end: () =>
        this.#each(first, count, (place) => {
          place.readers -= 1;
          place.trim();
        }),
    };
  }

  #problem(bytes, first, allowed) {
    const words = wordsOf(bytes);
    for (const [index, generations] of allowed.entries()) {
      const zeroes = generations.some(isZeroes);
      for (let record = 0; record < RECORDS; record += 1) {
        const at = (index * RECORDS + record) * RECORD_WORDS;
        const found = generationAt(words, at, this.disk, (first + index) * RECORDS + record);
        if (found === 0 ? zeroes : generations.includes(found)) continue;
        const place = `disk ${this.disk}, block ${first + index}, record ${record}`;
        const expected = `generation ${generations.slice(0, 8).join(' or ')} was expected`;
        return `${place}: ${expected}, found ${found ?? `the words ${recordText(words, at)}`}`;
      }
    }
    return undefined;
  }
}

/** Without a model: every record is zeroes, or belongs where it is. What is wrong, or undefined. */
export function strangeRecord(bytes, disk, firstBlock) {
  const words = wordsOf(bytes);
  const first = firstBlock * RECORDS;
  for (let at = 0; at < words.length; at += RECORD_WORDS) {
    const record = first + at / RECORD_WORDS;
    if (generationAt(words, at, disk, record) !== undefined) continue;
    return `disk ${disk}, record ${record} of the disk: the words ${recordText(words, at)}`;
  }
  return undefined;
}
