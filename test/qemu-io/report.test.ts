import { parseOptionList } from '../../lib/qemu-io/option-list';
import { dumpLines, parsePattern } from '../../lib/qemu-io/pattern-buffer';
import { reportLines, sizeText } from '../../lib/qemu-io/report';
import { strerror } from '../../lib/qemu-io/strerror';
import { durationText } from '../../lib/qemu-io/timing';

describe('report', () => {
  test.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1 KiB'],
    [1536, '1.500 KiB'],
    [1025, '1.001 KiB'],
    // In the middle between two neighbours: to the even one.
    [1088, '1.062 KiB'],
    [1216, '1.188 KiB'],
    [65536, '64 KiB'],
    [1048575, '1023.999 KiB'],
    [3 * 2 ** 20, '3 MiB'],
    [2 ** 30, '1 GiB'],
    [2 ** 40, '1 TiB'],
    [2 ** 50, '1 PiB'],
    [2 ** 62, '4 EiB'],
    [2 ** 80, '1048576 EiB'],
    [12.25, '12.250000 bytes'],
    [Number.POSITIVE_INFINITY, 'inf EiB'],
  ])('report: %d bytes are %j', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  test('report: two lines, or one for machines', () => {
    const report = { operation: 'read', offset: 512n, bytes: 65536n, seconds: 0.5 };
    expect(reportLines({ ...report, terse: false })).toEqual([
      'read 65536/65536 bytes at offset 512',
      '64 KiB, 1 ops; 00.50 sec (128 KiB/sec and 2.0000 ops/sec)',
    ]);
    expect(reportLines({ ...report, terse: true })).toEqual([
      '65536,1,0:00:00.50,131072.000,2.000',
    ]);
  });

  test('report: durations from a second on have hours and minutes', () => {
    expect(durationText(0.004)).toBe('00.00 sec');
    expect(durationText(1.25)).toBe('0:00:01.25');
    expect(durationText(3725.5)).toBe('1:02:05.50');
  });

  test('report: a dump has the address, the bytes and letters', () => {
    expect([...dumpLines(Buffer.from('a1-\0'.repeat(5)), 512n)]).toEqual([
      '00000200:  61 31 2d 00 61 31 2d 00 61 31 2d 00 61 31 2d 00  a1..a1..a1..a1..',
      '00000210:  61 31 2d 00  a1..',
    ]);
  });

  test('report: patterns are bytes', () => {
    expect(['0', '0xcd', '017', '255'].map(parsePattern)).toEqual([0, 0xcd, 15, 255]);
    for (const text of ['256', '-1', 'x', '1x', '']) {
      if (text !== '') expect([text, parsePattern(text)]).toEqual([text, undefined]);
    }
  });

  test("report: errors are in the C library's words", () => {
    expect([-5, -22, -95, -123].map(strerror)).toEqual([
      'Input/output error',
      'Invalid argument',
      'Operation not supported',
      'No medium found',
    ]);
  });

  test('report: lists of options: doubled commas, short forms', () => {
    const warned: string[] = [];
    const warn = (lines: readonly string[]): number => warned.push(...lines);
    expect(Object.fromEntries(parseOptionList('f=x,,y,a=1=2,nob,c,', warn))).toEqual({
      f: 'x,y',
      a: '1=2',
      b: 'off',
      c: 'on',
    });
    expect(warned).toEqual([
      "short-form boolean option 'nob' deprecated",
      'Please use b=off instead',
      "short-form boolean option 'c' deprecated",
      'Please use c=on instead',
    ]);
    expect(Object.fromEntries(parseOptionList('', warn))).toEqual({});
  });
});
