import { parseInteger, parseSize, sizeError } from '../../lib/qemu-io/numbers';

describe('numbers', () => {
  test.each<[string, bigint]>([
    ['0', 0n],
    ['512', 512n],
    ['+512', 512n],
    ['\t7', 7n],
    ['0512', 512n],
    ['1b', 1n],
    ['1B', 1n],
    ['1k', 1024n],
    ['64K', 65536n],
    ['3M', 3145728n],
    ['2g', 2147483648n],
    ['1T', 1099511627776n],
    ['1p', 1125899906842624n],
    ['7E', 8070450532247928832n],
    ['0x200', 512n],
    ['0XFF', 255n],
    ['0xbE', 190n],
    ['0x10k', 16384n],
    ['1.5k', 1536n],
    ['1.k', 1024n],
    ['0.5K', 512n],
    ['1.5e', 1729382256910270464n],
    ['0.0005k', 1n],
    ['0.0004k', 0n],
    ['9223372036854775807', 9223372036854775807n],
    ['9007199254740993', 9007199254740993n],
  ])('numbers: %j is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    '',
    'x',
    '-1',
    '-0',
    '1x',
    '1kk',
    '1 ',
    '1.5',
    '1.5b',
    '1e3',
    '1.5e3k',
    '0x',
    '0xg',
    '0x1.8',
    '.5k',
    '--5',
    '99999999999999999999x',
    '9223372036854775808x',
    'inf',
  ])('numbers: %j is none', (text) => {
    expect(parseSize(text)).toBe(-22n);
  });

  test.each([
    '9223372036854775808',
    '18446744073709551615',
    '99999999999999999999',
    '8E',
    '16384P',
  ])('numbers: %j is too large', (text) => {
    expect(parseSize(text)).toBe(-34n);
  });

  test('numbers: hexadecimal ones with a suffix are warned of', () => {
    const warned: string[] = [];
    for (const text of ['0x1k', '0x1b', '0x1kk', '1k'])
      parseSize(text, (line) => warned.push(line));
    expect(warned).toEqual(
      ['0x1k', '0x1kk'].map(
        (text) => `Using a multiplier suffix on hex numbers is deprecated: ${text}`,
      ),
    );
  });

  test('numbers: errors say which of the two it is', () => {
    expect(sizeError(-22n, 'x')).toBe(
      'Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- x',
    );
    expect(sizeError(-34n, '8E')).toBe('Parsing error: argument too large -- 8E');
  });

  test.each<[string, bigint | undefined]>([
    ['0', 0n],
    ['10', 10n],
    ['0x1f', 31n],
    ['017', 15n],
    ['-5', -5n],
    ['+5', 5n],
    [' 5', 5n],
    ['99999999999999999999', 2n ** 63n - 1n],
    ['-99999999999999999999', -(2n ** 63n)],
    ['08', undefined],
    ['0x', undefined],
    ['5x', undefined],
    ['-', undefined],
    ['1k', undefined],
  ])('numbers: as an integer, %j is %s', (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });
});
