import { readFileSync, statSync } from 'node:fs';
import { image } from '../support/images';
import { rawDisk, TestSession, withDisk, withFile } from '../support/qemu-io';

const NULL = { driver: 'null-co', size: 1048576 };
const quiet = (result = 0) => ({ result, out: [], err: [] });

describe('aio_read and aio_write', () => {
  test('aio_read, aio_write: are told about when they are done, and aio_flush waits', () =>
    withFile(async (session, filename, blk) => {
      expect(await session.run('aio_write -P 65 0 512 512', 'aio_read -q 0 512')).toEqual(quiet());
      expect((await session.run('aio_flush')).out).toEqual([
        'wrote 1024/1024 bytes at offset 0',
        '1 KiB, 1 ops; TIME',
      ]);
      expect(readFileSync(filename).subarray(0, 1024).equals(Buffer.alloc(1024, 'A'))).toBe(true);
      expect(blk.stats).toMatchObject({ wr_operations: 1, rd_operations: 1, wr_bytes: 1024 });
    }));

  test('aio_write: zeroes', () =>
    withFile(async (session, filename) => {
      expect((await session.run('aio_write -z -u 0 4k', 'aio_flush')).out[0]).toBe(
        'wrote 4096/4096 bytes at offset 0',
      );
      expect(readFileSync(filename).subarray(0, 4096).equals(Buffer.alloc(4096))).toBe(true);
    }));

  test('aio_read: shows and checks the data, and its failure is none of the command', () =>
    withFile(async (session) => {
      expect((await session.run('aio_read -v -P 1 0 2', 'aio_flush')).out).toEqual([
        'Pattern verification failed at offset 0, 2 bytes',
        '00000000:  64 64  dd',
        'read 2/2 bytes at offset 0',
        '2 bytes, 1 ops; TIME',
      ]);
      expect(await session.run('aio_read 64k 1', 'aio_flush')).toMatchObject({
        result: 0,
        out: ['readv failed: Input/output error'],
      });
      expect((await session.run('aio_write 64k 1', 'aio_write -z 64k 1', 'aio_flush')).out).toEqual(
        ['aio_write failed: Input/output error', 'aio_write failed: Input/output error'],
      );
    }));

  test('aio_read, aio_write: -i counts an invalid request', () =>
    withFile(async (session, _filename, blk) => {
      expect((await session.run('aio_read -i 0 1 -x', 'aio_write -i x y')).out).toEqual([
        'injecting invalid read request',
        'injecting invalid write request',
      ]);
      expect(blk.stats).toMatchObject({ invalid_rd_operations: 1, invalid_wr_operations: 1 });
    }));

  test.each([
    [
      'aio_read 0 -x',
      'aio_read [-Ciqv] [-P pattern] off len [len..] -- asynchronously reads a number of bytes',
    ],
    [
      'aio_write 0 -q',
      'aio_write [-Cfiquz] [-P pattern] off len [len..] -- asynchronously writes a number of bytes',
    ],
    ['aio_write -z 0 1 1', '-z supports only a single length parameter'],
    ['aio_write -u 0 1', '-u requires -z to be specified'],
    ['aio_read 0 3G', "Argument '3G' exceeds maximum size 2147483136"],
    ['aio_write -z 0 8E', 'Parsing error: argument too large -- 8E'],
    ['aio_read -P 999 0 1', '999 is not a valid pattern byte'],
  ])('aio_read, aio_write: %s is refused', (command, line) =>
    withFile(async (session) => {
      const { result, out } = await session.run(command);
      expect(out).toEqual([line]);
      expect(result).toBeLessThan(0);
    }),
  );
});

describe('discard, flush, length, truncate', () => {
  test('discard: reports, and refuses what it must', () =>
    withFile(async (session) => {
      expect((await session.run('discard 0 64k')).out).toEqual([
        'discard 65536/65536 bytes at offset 0',
        '64 KiB, 1 ops; TIME',
      ]);
      expect((await session.run('d -C 0 512')).out).toEqual(['512,1,TIME']);
      expect(await session.run('discard -q 0 512')).toEqual(quiet());
      expect((await session.run('discard 64k 1')).out).toEqual([
        'discard failed: Input/output error',
      ]);
      expect((await session.run('discard 0 3G')).out).toEqual([
        'length cannot exceed 2147483136, given 3G',
      ]);
      expect((await session.run('discard 0 1 2')).out).toEqual([
        'discard [-Cq] off len -- discards a number of bytes at a specified offset',
      ]);
    }));

  test('flush: says nothing, and its failure is an exit code', async () => {
    await withFile(async (session) => {
      expect(await session.run('flush')).toEqual(quiet());
      expect((await session.run('f 1')).err).toEqual([
        'bad argument count 1 to f, expected 0 arguments',
      ]);
    });
    const failing = {
      driver: 'blkdebug',
      image: NULL,
      'inject-error': [{ event: 'none', iotype: 'flush', errno: 28 }],
    };
    await withDisk(failing, async (session) => {
      // Without a write there would be nothing to flush.
      expect(await session.run('write -q 0 512', 'flush')).toEqual(quiet(-28));
    });
  });

  test('length: in the largest unit', () =>
    withDisk({ driver: 'null-co', size: 1610612736 }, async (session) => {
      expect((await session.run('length')).out).toEqual(['1.500 GiB']);
      expect((await session.run('l x')).err).toEqual([
        'bad argument count 1 to l, expected 0 arguments',
      ]);
    }));

  test('truncate: grows and shrinks, with preallocation', () =>
    withFile(async (session, filename) => {
      expect(await session.run('truncate 128k')).toEqual(quiet());
      expect(statSync(filename).size).toBe(131072);
      expect(await session.run('t -m falloc 1M', 'truncate 4k')).toEqual(quiet());
      expect(statSync(filename).size).toBe(4096);
    }));

  test('truncate: what is wrong is told', async () => {
    await withFile(async (session) => {
      expect((await session.run('truncate -m frob 1')).err).toEqual([
        "qemu-io: Invalid preallocation mode 'frob'",
      ]);
      expect((await session.run('truncate x')).out).toEqual([
        'Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- x',
      ]);
      expect((await session.run('truncate -m off x')).out).toEqual([
        'Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- -m',
      ]);
      expect((await session.run('truncate 9223372036854775807')).err).toEqual([
        'qemu-io: offset(9223372036854775807) exceeds maximum(9223372035781033984)',
      ]);
      expect((await session.run('truncate 1 2 3 4')).err).toEqual([
        'bad argument count 4 to truncate, expected between 1 and 3 arguments',
      ]);
    });
    await withDisk(NULL, async (session) => {
      expect((await session.run('truncate 1M')).err).toEqual([
        'qemu-io: Image format driver does not support resize',
      ]);
    });
  });
});

describe('alloc, map, info', () => {
  test('alloc, map: what is allocated, and never past the end', () =>
    withFile(async (session) => {
      expect((await session.run('alloc 0')).out).toEqual([
        '512/512 bytes allocated at offset 0 bytes',
      ]);
      expect((await session.run('a 1k 1M')).out).toEqual([
        '64512/64512 bytes allocated at offset 1 KiB',
      ]);
      expect((await session.run('alloc 1M 512')).out).toEqual([
        '0/0 bytes allocated at offset 1 MiB',
      ]);
      expect((await session.run('alloc 9223372036854775807 7E')).result).toBe(0);
      expect((await session.run('map')).out).toEqual([
        '64 KiB (0x10000) bytes     allocated at offset 0 bytes (0x0)',
      ]);
      expect((await session.run('alloc x')).result).toBe(-22);
      expect((await session.run('alloc 0 x')).result).toBe(-22);
      expect((await session.run('map 1')).err).toEqual([
        'bad argument count 1 to map, expected 0 arguments',
      ]);
    }));

  test('info: the names of the driver', async () => {
    await withFile(async (session) => {
      expect(await session.run('info')).toMatchObject({
        result: 0,
        out: ['format name: raw', 'cluster size: 0 bytes', 'vm state offset: 0 bytes'],
      });
    });
    await withDisk(NULL, async (session) => {
      expect(await session.run('i')).toMatchObject({
        result: -95,
        out: ['format name: null-co', 'format name: null-co'],
      });
    });
  });
});

describe('sessions', () => {
  test('unknown commands, commands without a disk, and empty lines', async () => {
    const session = new TestSession();
    expect(await session.run('frob 1')).toEqual({
      result: -22,
      out: [],
      err: ['command "frob" not found'],
    });
    expect((await session.run('length')).err).toEqual(["no file open, try 'help open'"]);
    expect(await session.run('', '   ')).toEqual(quiet());
  });

  test('open, close: a disk and then another', async () => {
    const [one, other] = [image(512), image(1024)];
    const session = new TestSession();
    expect(await session.run(`open -o driver=raw ${one}`)).toEqual(quiet());
    expect((await session.run(`open ${other}`)).err).toEqual([
      "qemu-io: file open already, try 'help close'",
    ]);
    expect(
      (await session.run('close', `o -r -o driver=raw,size=512 ${other}`, 'length')).out,
    ).toEqual(['512 bytes']);
    expect((await session.run('write 0 1')).err).toEqual(['qemu-io: Block node is read-only']);
    await session.run('close');
    expect((await session.run('close')).err).toEqual(["no file open, try 'help open'"]);
  });

  test('open: -t and -n decide about the write cache', async () => {
    const filename = image(4096);
    const session = new TestSession();
    for (const [option, cached] of [
      ['', false],
      ['-n', true],
      ['-t writeback', true],
      ['-t directsync', false],
      ['-t unsafe', true],
    ] as const) {
      await session.run(`open -o driver=raw ${option} ${filename}`);
      expect([option, session.io.blk?.writeCache]).toEqual([option, cached]);
      await session.run('close');
    }
  });

  test.each([
    ['open', { err: ['bad argument count 0 to open, expected at least 1 arguments'] }],
    ['open -t frob x', { err: ['qemu-io: Invalid cache option: frob'] }],
    ['open -d frob x', { err: ['qemu-io: Invalid discard option: frob'] }],
    ['open -i frob x', { err: ['qemu-io: Invalid aio option: frob'] }],
    [
      'open a b',
      {
        out: [
          'open [-rsCnkU] [-t cache] [-d discard] [-o options] [path] -- open the file specified by path',
        ],
      },
    ],
    ['open -x', { err: ["open: invalid option -- 'x'"] }],
    [
      'open /none/x',
      {
        err: [
          "qemu-io: can't open device /none/x: Could not open '/none/x': No such file or directory",
        ],
      },
    ],
    [
      'open -U -o driver=null-co',
      { err: ["qemu-io: can't open: force-share=on can only be used with read-only images"] },
    ],
    [
      'open -r -U -o force-share=off,driver=null-co',
      { err: ['qemu-io: -U conflicts with image options'] },
    ],
    [
      'open -s -o driver=null-co',
      { err: ["qemu-io: can't open: a snapshot needs the driver 'qcow2', which is not there"] },
    ],
    ['open -o driver=frob x', { err: ["qemu-io: can't open device x: Unknown driver 'frob'"] }],
    ['open json:{ x', { out: expect.anything() }],
    ['open json:{', { err: [expect.stringContaining("can't open device json:{")] }],
  ])('open: %s is refused', async (command, said) => {
    const session = new TestSession();
    const transcript = await session.run(command);
    expect(transcript.result).toBe(-22);
    expect(transcript).toMatchObject(said);
    expect(session.io.blk).toBeUndefined();
  });

  test('quit: ends the session, whatever stands behind it', async () => {
    const session = new TestSession();
    expect(await session.run('quit 1 2')).toEqual(quiet());
    expect(session.io.hasQuit).toBe(true);
  });

  test('sleep: waits, and refuses what is no number', async () => {
    const session = new TestSession();
    expect(await session.run('sleep 0x1')).toEqual(quiet());
    expect((await session.run('sleep 1k')).out).toEqual(['1k is not a valid number']);
    expect((await session.run('sleep -1')).out).toEqual(['-1 is not a valid number']);
  });

  test('sigraise, abort: reach the process', async () => {
    const session = new TestSession();
    expect(await session.run('sigraise 15', 'sigraise 0')).toEqual(quiet());
    expect(session.host.signals).toEqual([15, 0]);
    expect((await session.run('sigraise 66')).out).toEqual([
      "signal argument '66' is too large to be a valid signal",
    ]);
    expect((await session.run('sigraise x')).result).toBe(-22);
    await expect(session.run('abort')).rejects.toThrow('aborted');
    expect(session.host.aborted).toBe(true);
  });

  test('help: all commands in order, or one in length', async () => {
    const session = new TestSession();
    const { out } = await session.run('help');
    expect(out.slice(0, 2)).toEqual([
      'abort -- simulate a program crash using abort(3)',
      'aio_flush -- completes all outstanding aio requests',
    ]);
    expect(out.slice(-2)).toEqual(['', "Use 'help commandname' for extended help."]);
    expect(out).toHaveLength(28);
    expect((await session.run('? l')).out).toEqual(['l -- gets the length of the current file']);
    expect((await session.run('help read')).out.length).toBeGreaterThan(5);
    expect((await session.run('help frob')).out).toEqual(['command frob not found']);
    expect((await session.run('help 1 2')).err).toEqual([
      'bad argument count 2 to help, expected between 0 and 1 arguments',
    ]);
  });
});

describe('reopen', () => {
  test('reopen: read only and back, and what is not given stays', () =>
    withFile(async (session, filename, blk) => {
      expect(await session.run('reopen -r')).toEqual(quiet());
      expect(blk.root?.readOnly).toBe(true);
      expect((await session.run('write 0 1')).err).toEqual(['qemu-io: Block node is read-only']);
      expect(await session.run('reopen -w', 'write -q 0 1')).toEqual(quiet());
      expect(readFileSync(filename)[0]).toBe(0xcd);
      expect(await session.run('reopen -c unsafe')).toEqual(quiet());
      expect(blk.root?.state.noFlush).toBe(true);
      expect(await session.run('reopen -o size=0.5k', 'length')).toMatchObject({
        out: ['512 bytes'],
      });
    }));

  test('reopen: -c turns the write cache off and on, unless it belongs to a device', () =>
    withFile(async (session, _filename, blk) => {
      expect(await session.run('reopen -c writethrough')).toEqual(quiet());
      expect(blk.writeCache).toBe(false);
      expect(await session.run('reopen -c writeback')).toEqual(quiet());
      expect(blk.writeCache).toBe(true);
      const device = {};
      blk.attachDevice(device, 'd0');
      expect(await session.run('reopen -c writethrough')).toEqual({
        result: -16,
        out: [],
        err: ['qemu-io: Cannot change cache.writeback: Device attached'],
      });
      expect(blk.writeCache).toBe(true);
      await blk.detachDevice(device);
    }));

  test.each([
    ['reopen -r -w', 'qemu-io: Only one -r/-w option may be given'],
    ['reopen -c frob', 'qemu-io: Invalid cache option: frob'],
    ['reopen -r -o read-only=off', "qemu-io: Cannot set both -r/-w and 'read-only'"],
    ['reopen -c none -o cache.direct=on', 'qemu-io: Cannot set both -c and the cache options'],
  ])('reopen: %s is refused', (command, line) =>
    withFile(async (session) => {
      const { result, err } = await session.run(command);
      expect({ result, err }).toEqual({ result: -22, err: [line] });
    }),
  );

  test('reopen: wrong words show the usage, unknown options are told', () =>
    withFile(async (session) => {
      expect((await session.run('reopen x')).out).toEqual([
        'reopen [(-r|-w)] [-c cache] [-o options] -- reopens an image with new options',
      ]);
      expect(await session.run('reopen -o frob=1')).toMatchObject({
        result: -22,
        err: [expect.stringContaining('frob')],
      });
    }));
});

describe('monitors', () => {
  test('monitors: run commands on a disk of theirs, without those of a session', () =>
    withDisk(
      rawDisk(image(4096)),
      async (session) => {
        expect((await session.run('write -q -P 1 0 512', 'read -P 1 0 512')).result).toBe(0);
        for (const command of ['open x', 'close', 'quit']) {
          expect((await session.run(command)).err).toEqual([
            `command "${command.split(' ')[0]}" not found`,
          ]);
        }
        for (const command of ['abort', 'sigraise 9']) {
          const { result, err } = await session.run(command);
          expect(result).toBe(-1);
          expect(err[0]).toContain('is refused here');
        }
      },
      { monitor: true },
    ));
});
