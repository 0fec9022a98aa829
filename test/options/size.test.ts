import { sizeOf } from '../../lib/options/size.js';

describe('sizes', () => {
  test.each([
    ['4096', 4096],
    ['0x1000', 4096],
    ['7b', 7],
    ['4k', 4096],
    ['1.5M', 1_572_864],
    ['2g', 2 ** 31],
    ['8T', 2 ** 43],
    ['3p', 3 * 2 ** 50],
    ['1E', 2 ** 60],
    ['-1', -1],
  ])('sizes: %s is %d', (text, bytes) => {
    expect(sizeOf(text)).toBe(bytes);
  });

  test.each(['', 'k', '1z', '1kk', '0x', '1 k', 'four'])('sizes: %j is none', (text) => {
    expect(sizeOf(text)).toBeUndefined();
  });
});
