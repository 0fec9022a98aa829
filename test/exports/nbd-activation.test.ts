// Sockets that listen already when the server gets them (socket activation).
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NbdServer } from '../../lib/index.js';
import { blk, main } from '../support/blk.js';
import { image } from '../support/images.js';
import { instrumented } from '../support/leaks.js';
import { scratchFolder } from '../support/matrix.js';
import { client } from '../support/nbd.js';
import { describeWith } from '../support/tools.js';

const SIZE = 1 << 20;
const folder = scratchFolder();

async function codeOf(str: string): Promise<unknown> {
  try {
    await using server = await NbdServer.listen({ type: 'fd', str });
    return server.address;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('nbd: a descriptor that is no socket which listens is refused, and stays open', async () => {
  const file = openSync(image(SIZE), 'r');
  expect(await codeOf(String(file))).toBe('ENOTSOCK');
  expect(fstatSync(file).size).toBe(SIZE);
  closeSync(file);
  expect(await codeOf('999999')).toBe('EBADF');
  expect(await codeOf('three')).toBe('ERR_INVALID_ARG_VALUE');
  expect(await codeOf('-1')).toBe('ERR_INVALID_ARG_VALUE');
});

// libnbd's tools start a server in brackets with the socket that it is to listen on.
// They hand on no library that is preloaded, which the addon of an instrumented build needs.
const needed = instrumented === '' ? [] : [`a build without ${instrumented}`];

describeWith(['nbdinfo', 'nbdcopy', ...needed], 'nbd: socket activation', () => {
  const serve = (...args: readonly string[]): string[] => [
    '--',
    '[',
    process.execPath,
    main,
    ...args,
    ']',
  ];

  test('nbd: blk nbd takes the socket that is handed over', async () => {
    const path = image(SIZE);
    const data = Buffer.alloc(SIZE, 0x5c);
    writeFileSync(path, data);
    const copy = join(folder, 'copy');
    const ran = await client('nbdcopy', ...serve('nbd', '-r', '-f', 'raw', path), copy);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(copy)).toEqual(data);
  });

  test('nbd: blk serve takes the socket that is handed over', async () => {
    const ran = await client('nbdinfo', '--size', ...serve('serve', image(SIZE)));
    expect(ran).toMatchObject({ code: 0, stdout: `${SIZE}\n` });
  });

  test('nbd: blk nbd listens nowhere else then', async () => {
    const ran = await client('nbdinfo', ...serve('nbd', '-k', join(folder, 'other'), image(SIZE)));
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain('--socket: the socket was handed over already');
  });

  test('nbd: blk nbd does not go on in the background, where the socket is not', async () => {
    const ran = await client('nbdinfo', ...serve('nbd', '--fork', '-f', 'raw', image(SIZE)));
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain('--fork: the socket was handed over already');
  });

  test('nbd: what was meant for another process is left alone', async () => {
    const env = { LISTEN_PID: '1', LISTEN_FDS: '1' };
    const { code, stderr } = await blk(['nbd', '-k', '/nowhere/at/all', image(SIZE)], { env });
    expect([code, stderr]).toEqual([1, expect.stringContaining("'/nowhere/at/all'")]);
  });
});
