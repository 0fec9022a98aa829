import { imageOptions } from '../../../lib/cli/shared/image';

describe('cli', () => {
  test.each([
    [undefined, false],
    [false, false],
    [true, true],
  ])('cli: with direct %s the page cache of an image is bypassed: %s', (direct, bypassed) => {
    expect(imageOptions(__filename, { readOnly: true, direct })).toEqual({
      driver: 'raw',
      'read-only': true,
      cache: { direct: bypassed },
      file: { driver: 'file', filename: __filename },
    });
  });
});
