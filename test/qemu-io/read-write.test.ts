import { readFileSync, writeFileSync } from 'node:fs';
import { image } from '../support/images';
import { rawDisk, withDisk, withFile } from '../support/qemu-io';

const READ_USAGE =
  'read [-abCqv] [-P pattern [-s off] [-l len]] off len -- reads a number of bytes at a specified offset';
const WRITE_USAGE =
  'write [-bcCfnquz] [-P pattern | -s source_file] off len -- writes a number of bytes at a specified offset';
const NOT_A_NUMBER = (text: string): string =>
  `Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- ${text}`;

const failed = (out: string, result = -22) => ({ result, out: [out], err: [] });

describe('read', () => {
  test('read: reports, shows, keeps quiet, and checks a pattern', () =>
    withFile(async (session) => {
      expect(await session.run('read 512 1k')).toEqual({
        result: 0,
        out: ['read 1024/1024 bytes at offset 512', '1 KiB, 1 ops; TIME'],
        err: [],
      });
      expect(await session.run('r -C 0 1k')).toEqual({ result: 0, out: ['1024,1,TIME'], err: [] });
      expect(await session.run('read -q -P 0x64 0 64k')).toEqual({ result: 0, out: [], err: [] });
      expect((await session.run('read -v 0 4')).out).toEqual([
        '00000000:  64 64 64 64  dddd',
        'read 4/4 bytes at offset 0',
        '4 bytes, 1 ops; TIME',
      ]);
      expect(await session.run('read -q -P 1 512 512')).toEqual(
        failed('Pattern verification failed at offset 512, 512 bytes'),
      );
    }));

  test('read: -s and -l choose what of the data is checked', () =>
    withFile(async (session) => {
      await session.run('write -q -P 1 100 50');
      expect((await session.run('read -q -P 1 -s 100 -l 50 0 512')).result).toBe(0);
      expect((await session.run('read -q -P 1 -s 99 -l 50 0 512')).out).toEqual([
        'Pattern verification failed at offset 99, 50 bytes',
      ]);
      expect((await session.run('read -q -P 0x64 -s 150 0 512')).result).toBe(0);
      for (const wrong of ['-s 513', '-l 513', '-s 500 -l 13']) {
        expect(await session.run(`read -P 1 ${wrong} 0 512`)).toEqual(
          failed('pattern verification range exceeds end of read data'),
        );
      }
    }));

  test.each([
    ['read 0', { err: ['bad argument count 1 to read, expected at least 2 arguments'], out: [] }],
    ['read 0 1 2', { out: [READ_USAGE], err: [] }],
    ['read -l 1 0 1', { out: [READ_USAGE], err: [] }],
    ['r -x 0 1', { out: [READ_USAGE], err: ["r: invalid option -- 'x'"] }],
    ['read 0 -P', { out: [READ_USAGE], err: ["read: option requires an argument -- 'P'"] }],
    ['read -P 256 0 1', { out: ['256 is not a valid pattern byte'], err: [] }],
    ['read -s x 0 1', { out: [NOT_A_NUMBER('x')], err: [] }],
    ['read x 1', { out: [NOT_A_NUMBER('x')], err: [] }],
    ['read 0 -- -1', { out: [NOT_A_NUMBER('-1')], err: [] }],
    ['read 0 3G', { out: ['length cannot exceed 2147483136, given 3G'], err: [] }],
    ['read -b 1 512', { out: ["1 is not a sector-aligned value for 'offset'"], err: [] }],
    ['read -b 0 1', { out: ["1 is not a sector-aligned value for 'count'"], err: [] }],
  ])('read: %s is refused', (command, said) =>
    withFile(async (session) => {
      expect(await session.run(command)).toEqual({ result: -22, ...said });
    }),
  );

  test('read: past the end is an I/O error, however far and long, and takes no memory', () =>
    withFile(async (session) => {
      const before = process.memoryUsage().rss;
      for (const range of ['64k 1', '0 2147483136', '8E 1', '9223372036854775807 2147483136']) {
        if (range.startsWith('8E')) continue;
        expect(await session.run(`read ${range}`)).toEqual(
          failed('read failed: Input/output error', -5),
        );
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30);
      expect(await session.run('read -b 0 512')).toEqual(
        failed('read failed: Operation not supported', -95),
      );
    }));

  test('read: memory that begins anywhere gives the same', () =>
    withDisk(
      rawDisk(image(65536, Buffer.from('d'))),
      async (session) => {
        expect((await session.run('read -P 0x64 3 777')).out).toEqual([
          'read 777/777 bytes at offset 3',
          '777 bytes, 1 ops; TIME',
        ]);
      },
      { misalign: true },
    ));
});

describe('write', () => {
  test('write: a pattern, zeroes, or the bytes of a file over and over', () =>
    withFile(async (session, filename) => {
      const source = image(0);
      writeFileSync(source, 'abc');
      expect((await session.run('write 0 4')).out).toEqual([
        'wrote 4/4 bytes at offset 0',
        '4 bytes, 1 ops; TIME',
      ]);
      await session.run('w -q -P 90 4 2', 'write -z -f -q 6 2', `write -q -s ${source} 8 8`);
      const content = readFileSync(filename);
      expect(content.subarray(0, 17).toString('latin1')).toBe('\xcd\xcd\xcd\xcdZZ\0\0abcabcabd');
      expect((await session.run('write -C 0 512')).out).toEqual(['512,1,TIME']);
    }));

  test('write: zeroes may deallocate', () =>
    withFile(async (session, filename) => {
      expect((await session.run('write -q -z -u -n 0 64k')).result).toBe(0);
      expect(readFileSync(filename).equals(Buffer.alloc(65536))).toBe(true);
    }));

  test.each([
    ['write 0', { err: ['bad argument count 1 to write, expected at least 2 arguments'], out: [] }],
    ['write 0 1 2', { out: [WRITE_USAGE], err: [] }],
    ['write -y 0 1', { out: [WRITE_USAGE], err: ["write: invalid option -- 'y'"] }],
    ['write -bz 0 512', { out: ['-b and -z cannot be specified at the same time'], err: [] }],
    ['write -fc 0 512', { out: ['-f and -b or -c cannot be specified at the same time'], err: [] }],
    ['write -n 0 1', { out: ['-n requires -z to be specified'], err: [] }],
    ['write -u 0 1', { out: ['-u requires -z to be specified'], err: [] }],
    [
      'write -z -P 1 0 1',
      { out: ['Only one of -z, -P, and -s can be specified at the same time'], err: [] },
    ],
    ['write -P x 0 1', { out: ['x is not a valid pattern byte'], err: [] }],
    ['write 1x 1', { out: [NOT_A_NUMBER('1x')], err: [] }],
    ['write 0 2G', { out: ['length cannot exceed 2147483136 without -n, given 2G'], err: [] }],
    ['write -c 0 1', { out: ["1 is not a sector-aligned value for 'count'"], err: [] }],
    ['write -s /none 0 1', { out: [], err: ['/none: No such file or directory'] }],
    ['write -s / 0 1', { out: [], err: ['/: Is a directory'] }],
    ['write -s /dev/null 0 1', { out: [], err: ['/dev/null: file is empty'] }],
  ])('write: %s is refused', (command, said) =>
    withFile(async (session, filename) => {
      expect(await session.run(command)).toEqual({ result: -22, ...said });
      expect(readFileSync(filename).equals(Buffer.alloc(65536, 'd'))).toBe(true);
    }),
  );

  test('write: what the disk refuses is told', () =>
    withFile(async (session) => {
      const told = (reason: string, result: number) => failed(`write failed: ${reason}`, result);
      expect(await session.run('write 64k 1')).toEqual(told('Input/output error', -5));
      expect(await session.run('write 0 1G')).toEqual(told('Input/output error', -5));
      expect(await session.run('write -z 64k 1')).toEqual(told('Input/output error', -5));
      expect(await session.run('write -c 0 512')).toEqual(told('Operation not supported', -95));
      expect(await session.run('write -b 0 512')).toEqual(told('Operation not supported', -95));
    }));

  test('write: a disk that is read only is not written to', () =>
    withFile(
      async (session, filename) => {
        for (const command of ['write 0 1', 'writev 0 1', 'aio_write 0 1', 'discard 0 1']) {
          const { result, out, err } = await session.run(command);
          expect({ out, err }).toEqual({ out: [], err: ['qemu-io: Block node is read-only'] });
          expect(result).toBeLessThan(0);
        }
        expect(readFileSync(filename).equals(Buffer.alloc(65536, 'd'))).toBe(true);
      },
      { more: { 'read-only': true } },
    ));
});

describe('readv and writev', () => {
  test('readv: reads into several buffers and checks all of them', () =>
    withFile(async (session) => {
      expect((await session.run('readv -P 0x64 1 512 1k 7')).out).toEqual([
        'read 1543/1543 bytes at offset 1',
        '1.507 KiB, 1 ops; TIME',
      ]);
      expect((await session.run('readv -v 0 1 1')).out[0]).toBe('00000000:  64 64  dd');
      expect(await session.run('readv -q -P 1 0 8 8')).toEqual(
        failed('Pattern verification failed at offset 0, 16 bytes'),
      );
      expect(await session.run('readv 64k 512')).toEqual(
        failed('readv failed: Input/output error', -5),
      );
    }));

  test('writev: writes several buffers', () =>
    withFile(async (session, filename) => {
      expect((await session.run('writev -f -P 65 0 2 3')).out).toEqual([
        'wrote 5/5 bytes at offset 0',
        '5 bytes, 1 ops; TIME',
      ]);
      expect(readFileSync(filename).toString('latin1', 0, 6)).toBe('AAAAAd');
      expect((await session.run('writev -C 0 1 1')).out).toEqual(['2,1,TIME']);
      expect(await session.run('writev 64k 1')).toEqual(
        failed('writev failed: Input/output error', -5),
      );
    }));

  test.each([
    [
      'readv -x 0 1',
      'readv [-Cqv] [-P pattern] off len [len..] -- reads a number of bytes at a specified offset',
    ],
    [
      'writev 0 -q',
      'writev [-Cfq] [-P pattern] off len [len..] -- writes a number of bytes at a specified offset',
    ],
    ['readv 0 3G', "Argument '3G' exceeds maximum size 2147483136"],
    ['writev 0 1G 1G', 'The total number of bytes exceed the maximum size 2147483136'],
    ['readv 0 1 x', NOT_A_NUMBER('x')],
    ['writev -P 300 0 1', '300 is not a valid pattern byte'],
  ])('readv, writev: %s is refused', (command, line) =>
    withFile(async (session) => {
      const { result, out } = await session.run(command);
      expect({ result, out }).toEqual({ result: -22, out: [line] });
    }),
  );
});
