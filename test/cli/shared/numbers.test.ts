import { bytes, latency, significant } from '../../../lib/cli/shared/format';
import {
  integerBetween,
  parseSeconds,
  parseSize,
  shortSize,
  sizeBetween,
} from '../../../lib/cli/shared/numbers';
import { Random } from '../../../lib/cli/shared/random';

describe('cli', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['4K', 4096],
    ['4k', 4096],
    ['4KiB', 4096],
    ['1.5M', 1_572_864],
    ['2g', 2 ** 31],
    ['8T', 2 ** 43],
  ])('cli: the size %s is %d bytes', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  test.each(['', 'K', '-1', '1e3', '4Q', '0.3', '1.0001K', '9007199254740993', '1 K', '0x10'])(
    'cli: %j is no size',
    (text) => {
      expect(() => parseSize(text)).toThrow('Sizes look like');
    },
  );

  test('cli: sizes, integers and times have limits', () => {
    const size = sizeBetween(512, 4096, 512);
    expect([size('512'), size('4K')]).toEqual([512, 4096]);
    for (const text of ['0', '513', '8K']) expect(() => size(text)).toThrow('a multiple of 512');
    const integer = integerBetween(1, 10);
    expect([integer('1'), integer('10')]).toEqual([1, 10]);
    for (const text of ['0', '11', '1.5', '-1', 'x', '']) {
      expect(() => integer(text)).toThrow('an integer from 1 to 10');
    }
    expect(['5', '2.5s', '500ms', '1m'].map(parseSeconds)).toEqual([5, 2.5, 0.5, 60]);
    for (const text of ['0', '-1', '5h', 'ms', '2000m']) {
      expect(() => parseSeconds(text)).toThrow('Times look like');
    }
  });

  test('cli: numbers are shown with three digits and fitting units', () => {
    expect([0.1234, 1.234, 12.34, 123.4, 12345].map(significant)).toEqual([
      '0.123',
      '1.23',
      '12.3',
      '123',
      '12,345',
    ]);
    expect([12, 1234, 12_345_678, 2e9].map(latency)).toEqual([
      '12 ns',
      '1.23 us',
      '12.3 ms',
      '2.00 s',
    ]);
    expect([512, 4096, 1.5 * 1024 ** 2, 2 ** 40].map(bytes)).toEqual([
      '512 bytes',
      '4 KiB',
      '1.50 MiB',
      '1.00 TiB',
    ]);
    expect([512, 1536, 65536, 2 ** 30].map(shortSize)).toEqual(['512', '1536', '64K', '1G']);
  });

  test('cli: random numbers repeat with their seed and reach every part of large ranges', () => {
    const draw = (seed: number, end: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 1000 }, () => random.below(end));
    };
    expect(draw(1, 1000)).toEqual(draw(1, 1000));
    expect(draw(1, 1000)).not.toEqual(draw(2, 1000));
    for (const end of [1, 7, 2 ** 32, 2 ** 32 + 1, 2 ** 53]) {
      const values = draw(5, end);
      expect(Math.max(...values)).toBeLessThan(end);
      // Of 1000 uniform draws some lie in the lowest and the highest tenth: 1 - 2 * 0.9^1000.
      expect(Math.min(...values)).toBeLessThanOrEqual(end / 10);
      expect(Math.max(...values)).toBeGreaterThanOrEqual(Math.floor(end * 0.9 - 1));
    }
    // The upper bits alone would leave 21 zeroes below them.
    expect(draw(5, 2 ** 53).filter((value) => value % 2 ** 21 === 0)).toEqual([]);
  });
});
