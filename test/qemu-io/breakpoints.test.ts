import { image } from '../support/images';
import { rawDisk, TestSession, withDisk, withFile } from '../support/qemu-io';

describe('breakpoints', () => {
  const debugged = () => ({
    driver: 'raw',
    file: { driver: 'blkdebug', image: { driver: 'file', filename: image(65536) } },
  });

  test('break, wait_break, resume: a request waits until it is resumed', () =>
    withDisk(debugged(), async (session) => {
      const stop = ['break write_aio A', 'aio_write 0 512', 'wait_break A'];
      expect((await session.run(...stop)).out).toEqual(["blkdebug: Suspended request 'A'"]);
      expect(session.io.requests.count).toBe(1);
      expect((await session.run('resume A', 'aio_flush')).out).toEqual([
        "blkdebug: Resuming request 'A'",
        'wrote 512/512 bytes at offset 0',
        '512 bytes, 1 ops; TIME',
      ]);
    }));

  test('remove_break: lets go what waits', () =>
    withDisk(debugged(), async (session) => {
      await session.run('break read_aio A', 'aio_read -q 0 512', 'wait_break A');
      expect(await session.run('remove_break A', 'aio_flush')).toEqual({
        result: 0,
        out: ["blkdebug: Resuming request 'A'"],
        err: [],
      });
    }));

  test('break, remove_break, resume: what is not there', async () => {
    await withDisk(debugged(), async (session) => {
      expect(await session.run('break frob A')).toMatchObject({
        result: -2,
        out: ['Could not set breakpoint: No such file or directory'],
      });
      expect((await session.run('remove_break A')).out).toEqual([
        'Could not remove breakpoint A: No such file or directory',
      ]);
      expect((await session.run('resume A')).out).toEqual([
        'Could not resume request: No such file or directory',
      ]);
    });
    await withFile(async (session) => {
      expect((await session.run('break read_aio A')).out).toEqual([
        'Could not set breakpoint: Operation not supported',
      ]);
      expect((await session.run('remove_break A')).out).toEqual([
        'Could not remove breakpoint A: Operation not supported',
      ]);
      expect((await session.run('resume A')).out).toEqual([
        'Could not resume request: Operation not supported',
      ]);
    });
  });

  test('break: is forgotten with its disk', async () => {
    const session = new TestSession();
    const opens = `open -o driver=blkdebug,image.driver=file,image.filename=${image(4096)}`;
    await session.run(opens, 'break pwritev A', 'close');
    const other = `open -o driver=raw ${image(512)}`;
    expect(await session.run(other, 'write -q 0 1', 'length', 'close')).toEqual({
      result: 0,
      out: ['512 bytes'],
      err: [],
    });
  });

  test('wait_break: does not wait for what cannot come', () =>
    withDisk(debugged(), async (session) => {
      expect((await session.run('wait_break A')).result).toBe(-22);
      await session.run('break write_aio A', 'aio_write -q 0 512', 'wait_break A');
      expect(await session.run('wait_break B')).toEqual({
        result: -22,
        out: [],
        err: ["qemu-io: no request is under way that could stop at the breakpoint 'B'"],
      });
    }));

  test('wait_break: needs a disk with breakpoints, in a monitor as well', () =>
    withDisk(
      rawDisk(image(4096)),
      async (session) => {
        expect(await session.run('wait_break A')).toEqual({
          result: -95,
          out: [],
          err: ['qemu-io: cannot wait for breakpoint A: Operation not supported'],
        });
      },
      { monitor: true },
    ));

  test('aio_flush, read: what nobody else could resume is resumed', () =>
    withDisk(debugged(), async (session) => {
      await session.run('break write_aio A', 'break read_aio B', 'aio_write -q 0 512');
      const { err } = await session.run('aio_flush', 'read -q 0 512');
      expect(err).toEqual(
        Array(2).fill(
          'qemu-io: every request waits at a breakpoint, and nobody could resume them: resumed',
        ),
      );
    }));

  test('aio_flush: a request that stops again under the same tag is told of again', () =>
    withDisk(debugged(), async (session) => {
      const breaks = ['break write_aio A', 'break pwritev A'];
      const { out } = await session.run(...breaks, 'aio_write -q 0 512', 'aio_flush');
      const stop = ["blkdebug: Suspended request 'A'", "blkdebug: Resuming request 'A'"];
      expect(out).toEqual([...stop, ...stop]);
    }));
});
