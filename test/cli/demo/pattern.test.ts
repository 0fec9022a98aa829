import {
  describeFound,
  fillSectors,
  findBadSector,
  SECTOR_WORDS,
} from '../../../lib/cli/demo/pattern';

const SEED = 0xdeadbeef;

function sectors(first: number, count: number, generation: number, seed = SEED): Int32Array {
  const words = new Int32Array(count * SECTOR_WORDS);
  fillSectors(words, first, count, generation, seed);
  return words;
}

describe('demo', () => {
  test.each([0, 1000, 2 ** 31, 2 ** 32 - 2, 2 ** 40])(
    'demo: sectors from number %d on are recognised as what they are',
    (first) => {
      const words = sectors(first, 4, 9);
      expect(findBadSector(words, first, 4, 9, SEED)).toBe(-1);
      for (const [at, generation, seed] of [
        [first + 1, 9, SEED],
        [first + 2 ** 32, 9, SEED],
        [first, 8, SEED],
        [first, 0, SEED],
        [first, 9, SEED + 1],
      ] as const) {
        expect(findBadSector(words, at, 4, generation, seed)).toBe(0);
      }
      expect(describeFound(words, SECTOR_WORDS, first + 1, SEED)).toBe(
        'its generation 9 (a lost write)',
      );
      expect(describeFound(words, SECTOR_WORDS, first, SEED)).toBe(
        `sector ${first + 1} of generation 9 (misplaced)`,
      );
    },
  );

  test('demo: a flipped bit in any word of a sector is found', () => {
    for (let word = 0; word < SECTOR_WORDS; word += 1) {
      for (const bit of [0, 31]) {
        const words = sectors(77, 3, 5);
        const at = SECTOR_WORDS + word;
        words[at] = (words[at] as number) ^ (1 << bit);
        expect(findBadSector(words, 77, 3, 5, SEED)).toBe(1);
      }
    }
  });

  test('demo: a sector torn between two generations is found, wherever it is torn', () => {
    const older = sectors(77, 1, 5);
    const newer = sectors(77, 1, 6);
    for (let cut = 1; cut < SECTOR_WORDS; cut += 1) {
      // Words 0, 1 and 3 are the same in both, so up to word 2 nothing is torn.
      const torn = Int32Array.from(newer);
      torn.set(older.subarray(cut), cut);
      const expected = cut <= 2 ? 'lost write' : 'torn';
      expect(findBadSector(torn, 77, 1, 6, SEED)).toBe(0);
      expect(describeFound(torn, 0, 77, SEED)).toContain(expected);
    }
  });

  test('demo: generation 0 stands for zeroes', () => {
    const words = new Int32Array(2 * SECTOR_WORDS);
    expect(findBadSector(words, 0, 2, 0, SEED)).toBe(-1);
    words[2 * SECTOR_WORDS - 1] = 1;
    expect(findBadSector(words, 0, 2, 0, SEED)).toBe(1);
  });
});
