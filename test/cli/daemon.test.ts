// `blk daemon` as scripts written for qemu-storage-daemon use it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { blk, main, withFolder } from '../support/blk.js';
import { QmpClient } from '../support/qmp-client.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const SIZE = 1024 * 1024;

/** A daemon with a monitor, which has ended at the end of `body`. */
async function withDaemon(
  args: readonly string[],
  body: (qmp: QmpClient, child: ChildProcess, folder: string) => Promise<void>,
): Promise<{ code: number | null; stderr: string }> {
  return withFolder(async (folder) => {
    const image = join(folder, 'disk.img');
    writeFileSync(image, Buffer.alloc(SIZE, 0x11));
    const socket = join(folder, 'qmp');
    const monitor = [
      '--chardev',
      `socket,id=c,path=${socket},server=on,wait=off`,
      '--monitor',
      'c',
    ];
    const all = [...args, ...monitor].map((arg) => arg.replaceAll('IMAGE', image));
    const child = spawn(process.execPath, [main, 'daemon', ...all]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const closed = once(child, 'close');
    const qmp = await listening(() => QmpClient.connect(socket), closed);
    try {
      await body(qmp, child, folder);
    } finally {
      if (!child.killed) child.kill('SIGTERM');
    }
    const [code] = (await closed) as [number | null];
    expect(existsSync(socket)).toBe(false);
    return { code, stderr };
  });
}

/** The socket is there a moment before anybody listens on it. */
async function listening<T>(connecting: () => Promise<T>, ended: Promise<unknown>): Promise<T> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  for (;;) {
    try {
      return await connecting();
    } catch (error) {
      if (over || !/ENOENT|ECONNREFUSED/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

async function until(holds: () => boolean, ended: Promise<unknown>): Promise<void> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!holds()) {
    if (over) throw new Error('the daemon has ended');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const NODES = [
  ...['--blockdev', 'file,node-name=f,filename=IMAGE'],
  ...['--blockdev', '{"driver":"raw","node-name":"disk","file":"f","size":65536}'],
];

describe('daemon', () => {
  test('nodes as key=value and as JSON, objects, and a monitor; SIGTERM ends it cleanly', async () => {
    const ended = await withDaemon(
      [
        ...['--object', 'throttle-group,id=tg,limits.iops-total=100'],
        ...NODES,
        ...['--blockdev', 'driver=throttle,node-name=t,throttle-group=tg,file=disk'],
      ],
      async (qmp) => {
        expect(await qmp.execute('qom-get', { path: 'tg', property: 'limits' })).toMatchObject({
          'iops-total': 100,
        });
        await qmp.execute('blockdev-del', { 'node-name': 't' });
        await qmp.execute('object-del', { id: 'tg' });
      },
    );
    expect(ended).toEqual({ code: 0, stderr: '' });
  });

  test.each(['SIGINT', 'SIGHUP'] as const)('%s ends it cleanly as well', async (signal) => {
    const ended = await withDaemon(NODES, async (qmp, child) => {
      child.kill(signal);
      await qmp.closed;
    });
    expect(ended).toEqual({ code: 0, stderr: '' });
  });

  test('quit ends it, after the reply', async () => {
    const ended = await withDaemon(NODES, async (qmp) => {
      expect(await qmp.execute('quit')).toEqual({});
      await qmp.closed;
    });
    expect(ended).toEqual({ code: 0, stderr: '' });
  });

  test('a drive with all that QEMU gives one', async () => {
    const options = [
      'id=drive0,if=none,file=IMAGE,format=raw,cache=none,aio=threads,discard=unmap,detect-zeroes=unmap',
      'rerror=stop,werror=enospc,stats-account-failed=off,stats-intervals.0=1,stats-intervals.1=60',
      'throttling.iops-total=100,throttling.iops-total-max=200,throttling.group=tg,read-only=off',
    ].join(',');
    const ended = await withDaemon(['--drive', options], async (qmp) => {
      const [drive] = await qmp.execute<Record<string, never>[]>('query-block');
      expect(drive).toMatchObject({
        device: 'drive0',
        inserted: {
          drv: 'raw',
          ro: false,
          iops: 100,
          iops_max: 200,
          group: 'tg',
          detect_zeroes: 'unmap',
          cache: { writeback: true, direct: true, 'no-flush': false },
        },
      });
    });
    expect(ended).toEqual({ code: 0, stderr: '' });
  });

  test('a drive without a file is empty, and waits for its first medium', async () => {
    await withDaemon(['--drive', 'id=cd,media=cdrom'], async (qmp) => {
      const [drive] = await qmp.execute<object[]>('query-block');
      expect(drive).toMatchObject({ device: 'cd' });
      expect(drive).not.toHaveProperty('inserted');
    });
  });

  test('writes of clients are on the disk when it has ended, and no lock is left', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(SIZE));
      const args = [
        '--blockdev',
        `file,node-name=f,filename=${image}`,
        '--chardev',
        'stdio,id=c',
        '--monitor',
        'c',
      ];
      const child = spawn(process.execPath, [main, 'daemon', ...args]);
      let stdout = '';
      child.stdout.on('data', (text) => {
        stdout += text;
      });
      child.stdin.write('{"execute":"qmp_capabilities"}{"execute":"quit"}');
      const [code] = await once(child, 'close');
      expect(code).toBe(0);
      expect(
        stdout
          .trim()
          .split('\r\n')
          .map((line) => Object.keys(JSON.parse(line))[0]),
      ).toEqual(['QMP', 'return', 'return']);
      const again = await blk(['graph', image, '--writable']);
      expect(again.code).toBe(0);
    });
  });

  test('a server that waits is ready with its first client', async () => {
    await withFolder(async (folder) => {
      const [socket, pidfile] = [join(folder, 'qmp'), join(folder, 'pid')];
      const args = [
        '--chardev',
        `socket,id=c,path=${socket},server=on`,
        '--monitor',
        'chardev=c,pretty=on',
        '--pidfile',
        pidfile,
      ];
      const child = spawn(process.execPath, [main, 'daemon', ...args]);
      const closed = once(child, 'close');
      await until(() => existsSync(socket), closed);
      expect(existsSync(pidfile)).toBe(false);
      const client = await listening(async () => {
        const stream = connect(socket);
        await once(stream, 'connect');
        return stream;
      }, closed);
      await until(() => existsSync(pidfile), closed);
      client.destroy();
      child.kill('SIGTERM');
      expect((await closed)[0]).toBe(0);
    });
  });

  test('--daemonize returns when all is ready; the pid file names who serves', async () => {
    await withFolder(async (folder) => {
      const [socket, pidfile] = [join(folder, 'qmp'), join(folder, 'pid')];
      const chardev = [
        '--chardev',
        `socket,id=c,path=${socket},server=on,wait=off`,
        '--monitor',
        'c',
      ];
      const started = await blk(['daemon', '--daemonize', '--pidfile', pidfile, ...chardev]);
      expect(started).toMatchObject({ code: 0, stderr: '' });
      const pid = Number(readFileSync(pidfile, 'utf8'));
      expect(() => process.kill(pid, 0)).not.toThrow();
      const again = await blk(['daemon', '--pidfile', pidfile]);
      expect(again.code).toBe(1);
      expect(again.stderr).toContain(`in use by the process ${pid}`);
      const qmp = await QmpClient.connect(socket);
      await qmp.execute('quit');
      await qmp.closed;
      while (existsSync(pidfile)) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(existsSync(socket)).toBe(false);
    });
  });

  test('--daemonize says what went wrong, and ends with it', async () => {
    const { code, stderr } = await blk([
      'daemon',
      '--daemonize',
      '--blockdev',
      'file,node-name=f,filename=/nonesuch',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^blk: --blockdev file,node-name=f,filename=\/nonesuch: .*ENOENT/);
  });

  test.each([
    [['--blockdev', 'nonesuch,node-name=n'], /--blockdev nonesuch,node-name=n: .*driver/, 1],
    [['--blockdev', 'null-co,node-name=n,size'], /'size' has no key/, 1],
    [['--blockdev', '{"driver":"null-co"'], /--blockdev/, 1],
    [
      ['--blockdev', '{"driver":"null-co","node-name":"n","size":"1M"}'],
      /'size': expected an integer/,
      1,
    ],
    [['--object', 'nonesuch,id=x'], /qom-type/, 1],
    [['--chardev', 'pty,id=c'], /there is no 'pty' here/, 2],
    [['--chardev', 'socket,id=c,path=p,server=maybe'], /'server' must be on or off/, 2],
    [['--chardev', 'stdio'], /'id' is missing/, 2],
    [['--monitor', 'nonesuch'], /there is no chardev 'nonesuch'/, 2],
    [['--drive', 'if=virtio,id=x'], /only if=none/, 1],
    [['--drive', 'id=x,bogus=1'], /'bogus' is no option of a drive/, 1],
    [['--drive', 'id=x,cache=sometimes'], /'cache' must be one of/, 1],
    [['--nonesuch'], /unknown option/, 2],
  ])('%j is refused with one sentence', async (args, message, code) => {
    const result = await blk(['daemon', ...args]);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(code);
  });

  test('a size on the command line may have a suffix', async () => {
    await withDaemon(['--blockdev', 'null-co,node-name=n,size=2M'], async (qmp) => {
      await qmp.execute('block_resize', { 'node-name': 'n', size: SIZE }).catch(() => {});
    });
  });
});

describeWith(['qemu-io'], 'daemon, over NBD', () => {
  test('it exports nodes over NBD, to genuine clients', async () => {
    await withFolder(async (folder) => {
      const socket = join(folder, 'nbd');
      const image = join(folder, 'nbd.img');
      writeFileSync(image, Buffer.alloc(SIZE, 0x22));
      await withDaemon(
        [
          ...['--blockdev', `file,node-name=e,filename=${image}`],
          ...['--nbd-server', `addr.type=unix,addr.path=${socket}`],
          ...['--export', 'nbd,id=x,node-name=e,name=disk,writable=on'],
        ],
        async (qmp) => {
          expect(await qmp.execute('query-block-exports')).toEqual([
            { id: 'x', type: 'nbd', 'node-name': 'e', 'shutting-down': false },
          ]);
          const { status, stdout } = spawnSync(
            'qemu-io',
            [
              ...[
                '-f',
                'raw',
                '-c',
                'read -P 0x22 0 64k',
                '-c',
                'write -P 0x33 0 512',
                '-c',
                'flush',
              ],
              `nbd+unix:///disk?socket=${socket}`,
            ],
            { env: foreignEnv() },
          );
          expect([status, String(stdout)]).toEqual([0, expect.stringContaining('wrote 512/512')]);
        },
      );
      expect(readFileSync(image)[0]).toBe(0x33);
      expect(existsSync(socket)).toBe(false);
    });
  });
});
