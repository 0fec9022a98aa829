// `blk nbd` as scripts written for qemu-nbd use it, and `blk serve`, with genuine clients.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blk, main, withFolder } from '../support/blk.js';
import { sharedKey } from '../support/certificates.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const SIZE = 1024 * 1024;

interface Served {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  /** Code, and what it said on standard error. */
  readonly ended: Promise<[number | null, string]>;
}

function start(...args: string[]): Served {
  const child = spawn(process.execPath, [main, ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code]): [number | null, string] => [code, stderr]);
  return { child, stdout: () => stdout, ended };
}

async function until(holds: () => boolean, served: Served): Promise<void> {
  while (!holds()) {
    if (served.child.exitCode !== null) throw new Error((await served.ended)[1]);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function qemuIo(uri: string, ...commands: string[]): [number | null, string] {
  const args = ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri];
  const { status, stdout } = spawnSync('qemu-io', args, { encoding: 'utf8', env: foreignEnv() });
  return [status, stdout];
}

const image = (folder: string): string => {
  const path = join(folder, 'disk.img');
  writeFileSync(path, Buffer.alloc(SIZE, 0x11));
  return path;
};

describeWith(['qemu-io', 'nbdinfo'], 'nbd', () => {
  test('it serves one client, and ends with it', async () => {
    await withFolder(async (folder) => {
      const [path, socket] = [image(folder), join(folder, 'nbd')];
      const served = start('nbd', '-f', 'raw', '-k', socket, path);
      await until(() => existsSync(socket), served);
      const [status, output] = qemuIo(
        `nbd+unix:///?socket=${socket}`,
        'read -P 0x11 0 64k',
        'write -P 0x22 512 512',
        'flush',
      );
      expect([status, output]).toEqual([0, expect.stringContaining('wrote 512/512')]);
      expect(await served.ended).toEqual([0, '']);
      expect(readFileSync(path)[512]).toBe(0x22);
      expect(existsSync(socket)).toBe(false);
    });
  });

  test('-t goes on, -x, -D, -r, -o and -e are what clients see', async () => {
    await withFolder(async (folder) => {
      const [path, socket] = [image(folder), join(folder, 'nbd')];
      const options = ['-t', '-r', '-x', 'disk', '-D', 'of the test', '-o', '64k', '-e', '0'];
      const served = start('nbd', '-f', 'raw', '-k', socket, ...options, path);
      await until(() => existsSync(socket), served);
      for (let count = 0; count < 2; count += 1) {
        const { stdout } = spawnSync('nbdinfo', [`nbd+unix:///disk?socket=${socket}`], {
          encoding: 'utf8',
          env: foreignEnv(),
        });
        expect(stdout).toContain(`export-size: ${SIZE - 65_536}`);
        expect(stdout).toContain('is_read_only: true');
        expect(stdout).toContain('description: of the test');
      }
      served.child.kill('SIGTERM');
      expect(await served.ended).toEqual([0, '']);
    });
  });

  test('--fork returns when it serves; the pid file names who does', async () => {
    await withFolder(async (folder) => {
      const [socket, pidFile] = [join(folder, 'nbd'), join(folder, 'pid')];
      const args = ['-f', 'raw', '-k', socket, '-t', '--fork', '--pid-file', pidFile];
      expect(await blk(['nbd', ...args, image(folder)])).toMatchObject({ code: 0, stderr: '' });
      expect(qemuIo(`nbd+unix:///?socket=${socket}`, 'read 0 512')[0]).toBe(0);
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
      while (existsSync(pidFile)) await new Promise((resolve) => setTimeout(resolve, 10));
    });
  });

  test('--object and --tls-creds: clients must know the key', async () => {
    await withFolder(async (folder) => {
      const socket = join(folder, 'nbd');
      const { dir, file, identity } = sharedKey();
      const credentials = `tls-creds-psk,id=tls0,endpoint=server,dir=${dir}`;
      const tls = ['--object', credentials, '--tls-creds', 'tls0'];
      const served = start('nbd', '-t', '-f', 'raw', '-k', socket, ...tls, image(folder));
      await until(() => existsSync(socket), served);
      const info = (uri: string): [number | null, string] => {
        const options = { encoding: 'utf8', env: foreignEnv() } as const;
        const { status, stdout } = spawnSync('nbdinfo', ['--size', uri], options);
        return [status, stdout];
      };
      const rest = `/?socket=${socket}`;
      expect(info(`nbds+unix://${identity}@${rest}&tls-psk-file=${file}`)).toEqual([
        0,
        `${SIZE}\n`,
      ]);
      expect(info(`nbd+unix://${rest}`)).toEqual([1, '']);
      served.child.kill('SIGTERM');
      expect(await served.ended).toEqual([0, '']);
    });
  });

  test('--image-opts opens what the options say', async () => {
    await withFolder(async (folder) => {
      const socket = join(folder, 'nbd');
      const served = start('nbd', '-k', socket, '--image-opts', 'driver=null-co,size=65536');
      await until(() => existsSync(socket), served);
      expect(qemuIo(`nbd+unix:///?socket=${socket}`, 'length')).toEqual([0, '64 KiB\n']);
      expect((await served.ended)[0]).toBe(0);
    });
  });

  test.each([
    [['-f', 'nonesuch', 'IMAGE'], /nonesuch/, 1],
    [['-f', 'raw', '/nonesuch/disk'], /ENOENT|no such file/i, 1],
    [['--cache', 'sometimes', 'IMAGE'], /--cache sometimes/, 2],
    [['-n', '--cache', 'none', 'IMAGE'], /two ways/, 2],
    [['-p', '99999', 'IMAGE'], /--port 99999/, 2],
    [['-o', 'x', 'IMAGE'], /--offset x/, 2],
    [['--tls-creds', 'none', 'IMAGE'], /'none'/, 1],
    [['--object', 'tls-creds-psk,id=t', '--tls-creds', 't', 'IMAGE'], /dir/, 1],
    [['--nonesuch', 'IMAGE'], /unknown option/, 2],
    [[], /missing required argument/, 2],
  ])('%j is refused with one sentence', async (args, message, code) => {
    await withFolder(async (folder) => {
      const path = image(folder);
      const given = args.map((arg) => arg.replace('IMAGE', path));
      const result = await blk(['nbd', '-k', join(folder, 'nbd'), ...given]);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
      expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
    });
  });
});

describeWith(['qemu-io', 'nbdinfo'], 'serve', () => {
  test('it prints a URI that clients can use, read-only, and cleans up', async () => {
    await withFolder(async (folder) => {
      const served = start('serve', image(folder));
      await until(() => served.stdout().endsWith('\n'), served);
      const uri = served.stdout().trim();
      // qemu-io wants to write unless it is told.
      expect(qemuIo(uri, 'read 0 512')[0]).toBe(1);
      const info = spawnSync('nbdinfo', ['--size', uri], { encoding: 'utf8', env: foreignEnv() });
      expect(info.stdout).toBe(`${SIZE}\n`);
      served.child.kill('SIGINT');
      const [code, stderr] = await served.ended;
      expect(code).toBe(0);
      expect(stderr).toMatch(/^blk: serving .*, 1 MiB, read-only; Ctrl-C ends it\n$/);
      expect(existsSync(uri.replace(/^.*socket=/, ''))).toBe(false);
    });
  });

  test('--writable, --name and a TCP port', async () => {
    await withFolder(async (folder) => {
      const path = image(folder);
      const served = start('serve', '--writable', '--name', 'my disk', '--port', '0', path);
      await until(() => served.stdout().endsWith('\n'), served);
      const uri = served.stdout().trim();
      expect(uri).toMatch(/^nbd:\/\/127\.0\.0\.1:\d+\/my%20disk$/);
      expect(qemuIo(uri, 'write -P 0x44 0 512', 'flush')[0]).toBe(0);
      served.child.kill('SIGTERM');
      expect((await served.ended)[0]).toBe(0);
      expect(readFileSync(path)[0]).toBe(0x44);
    });
  });

  test('an image that is none is one sentence', async () => {
    const { code, stderr } = await blk(['serve', '/nonesuch/disk']);
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
  });
});
