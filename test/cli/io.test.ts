import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linesOf } from '../../lib/cli/io/prompt';
import { blk, withFolder } from '../support/blk';

const io = (args: readonly string[], input?: string) =>
  blk(['io', ...args], { onStart: ({ stdin }) => stdin?.end(input ?? '') });

function withImage(body: (image: string) => Promise<void>): Promise<void> {
  return withFolder((folder) => {
    const image = join(folder, 'disk.img');
    writeFileSync(image, Buffer.alloc(65536, 'd'));
    return body(image);
  });
}

describe('io', () => {
  test('io: -c runs commands in order, wherever it stands', () =>
    withImage(async (image) => {
      const args = [
        '-c',
        'write -q -P 1 0 512',
        image,
        '--cmd',
        'read -q -P 1 0 512',
        '--cmd=length',
      ];
      expect(await io(['-f', 'raw', ...args])).toMatchObject({
        code: 0,
        stdout: '64 KiB\n',
        stderr: '',
      });
      expect(readFileSync(image)[0]).toBe(1);
    }));

  test('io: a command that fails does not stop the others, and makes the exit code 1', () =>
    withImage(async (image) => {
      expect(await io(['-f', 'raw', '-c', 'frob', '-c', 'length', image])).toMatchObject({
        code: 1,
        stdout: '64 KiB\n',
        stderr: 'command "frob" not found\n',
      });
    }));

  test('io: commands from standard input, with prompts', () =>
    withImage(async (image) => {
      expect(await io(['-f', 'raw', image], 'length\n\nread -q 0 1\nquit\nlength\n')).toMatchObject(
        {
          code: 0,
          stdout: 'qemu-io> 64 KiB\nqemu-io> qemu-io> qemu-io> ',
          stderr: '',
        },
      );
      expect(await io(['-f', 'raw', image], 'length')).toMatchObject({
        code: 0,
        stdout: 'qemu-io> 64 KiB\nqemu-io> ',
      });
      expect(await io(['-f', 'raw', image], 'frob\n')).toMatchObject({ code: 1 });
      expect(await io([])).toMatchObject({ code: 0, stdout: 'qemu-io> ', stderr: '' });
    }));

  test('io: requests that were only started are waited for at the end', () =>
    withImage(async (image) => {
      const { code, stdout } = await io(['-f', 'raw', '-c', 'aio_write 0 512', image]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^wrote 512\/512 bytes at offset 0\n512 bytes, 1 ops; .*\n$/);
    }));

  test('io: --image-opts takes a list of options', async () => {
    const { code, stdout } = await io(['--image-opts', '-c', 'length', 'driver=null-co,size=1M']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 MiB\n' });
  });

  test('io: a guessed format is warned of', () =>
    withImage(async (image) => {
      const { code, stderr } = await io(['-c', 'length', image]);
      expect(code).toBe(0);
      expect(stderr).toMatch(/^WARNING: .*disk\.img/);
    }));

  test.each([
    [['-x'], "qemu-io: invalid option -- 'x'\n"],
    [['--frob'], "qemu-io: unrecognized option '--frob'\n"],
    [['-c'], "qemu-io: option requires an argument -- 'c'\n"],
    [
      ['--fo', 'raw'],
      "qemu-io: option '--fo' is ambiguous; possibilities: '--format' '--force-share'\n",
    ],
    [['a', 'b'], ''],
  ])('io: %j shows the usage and fails', async (args, said) => {
    const { code, stdout, stderr } = await io(args);
    expect({ code, stderr }).toEqual({ code: 1, stderr: said });
    expect(stdout).toMatch(/^Usage: qemu-io /);
  });

  test.each([
    [['-t', 'frob'], 'Invalid cache option: frob'],
    [['-d', 'frob'], 'Invalid discard option: frob'],
    [['-i', 'frob'], 'Invalid aio option: frob'],
    [['--image-opts', '-f', 'raw', 'x'], '--image-opts and -f are mutually exclusive'],
    [['--object', 'secret,id=a'], 'there are no objects to define here'],
    [
      ['-f', 'raw', '/none'],
      "can't open device /none: Could not open '/none': No such file or directory",
    ],
    [
      ['-s', '-f', 'raw', '/dev/null'],
      "can't open device /dev/null: a snapshot needs the driver 'qcow2', which is not there",
    ],
  ])('io: %j is refused in one sentence', async (args, sentence) => {
    expect(await io(args)).toMatchObject({ code: 1, stdout: '', stderr: `qemu-io: ${sentence}\n` });
  });

  test('io: -h and -V end it before anything is opened, and need no addon', async () => {
    const env = { BLOCK_BACKEND_PREBUILD: join(__dirname, 'nowhere') };
    const help = await blk(['io', '-h', '/none'], { env });
    expect(help.code).toBe(0);
    const lines = help.stdout.trimEnd().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const version = await blk(['io', '-V'], { env });
    expect(version).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^qemu-io version \d/),
    });
  });

  test('io: abort and sigraise end the process by their signals', async () => {
    expect(await io(['-c', 'abort', '-c', 'help'])).toMatchObject({
      signal: 'SIGABRT',
      stdout: '',
      stderr: '',
    });
    for (const [number, name] of [
      [15, 'SIGTERM'],
      [9, 'SIGKILL'],
      [12, 'SIGUSR2'],
      [2, 'SIGINT'],
    ] as const) {
      expect(await io(['-c', `sigraise ${number}`])).toMatchObject({ signal: name, stderr: '' });
    }
    expect(await io(['-c', 'sigraise 0', '-c', 'sigraise 65', '-c', 'sigraise 10'])).toMatchObject({
      code: 0,
    });
  });

  test('io: a request that nobody can resume does not keep the process', async () => {
    const disk = 'driver=blkdebug,image.driver=null-co';
    const { code, stderr } = await io([
      '--image-opts',
      disk,
      '-c',
      'break pwritev A',
      '-c',
      'aio_write 0 512',
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^qemu-io: every request waits at a breakpoint/);
  });

  test('io: lines end at a newline or after 1023 bytes', async () => {
    async function* chunks() {
      yield Buffer.from('ab');
      yield Buffer.from('c\n\nd');
      yield Buffer.from(`${'e'.repeat(1030)}\n`);
    }
    const lines: string[] = [];
    for await (const line of linesOf(chunks())) lines.push(line);
    expect(lines).toEqual(['abc', '', `d${'e'.repeat(1022)}`, 'e'.repeat(8)]);
  });
});
