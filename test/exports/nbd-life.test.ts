import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { image } from '../support/images.js';
import { socketPath } from '../support/nbd.js';
import { Command, NbdClient } from '../support/nbd-client.js';

describe.each(['node', 'iothread'])('nbd: life, in a home of kind %s', (home) => {
  test.each(['exit', 'exit-drained', 'unref', 'terminate'])(
    'nbd: a process or worker with clients ends as any other (%s)',
    async (how) => {
      const args = [how, home, image(1 << 20), socketPath()];
      const ended = await runChild('exports/nbd-life-child.cjs', args, { exits: true });
      expect(ended).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
    },
    100_000,
  );

  test('nbd: it is the same without io_uring', async () => {
    for (const how of ['exit', 'terminate']) {
      const filter = join(__dirname, '../support/forbid-io-uring.py');
      const args = [how, home, image(1 << 20), socketPath()];
      const ended = await runChild('exports/nbd-life-child.cjs', args, {
        wrapper: ['env', '-u', 'LD_PRELOAD', 'python3', filter, String(constants.errno.EPERM)],
        env: { PRELOAD_LATER: process.env.LD_PRELOAD ?? '' },
        exits: true,
      });
      expect(ended).toMatchObject({ code: 0, signal: null, stdout: 'done\n' });
      expect(ended.stderr).toContain('BLOCK_AIO_FALLBACK');
    }
  }, 100_000);

  test('nbd: a listening server alone keeps the process alive, and serves', async () => {
    const path = socketPath();
    const script = join(__dirname, 'nbd-life-child.cjs');
    const child = spawn(process.execPath, [script, 'listening', home, image(1 << 20), path]);
    let output = '';
    const ended = new Promise((resolve) => {
      child.once('close', resolve);
    });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        output += data;
        if (output === 'listening\n') resolve();
      });
    });
    for (let count = 0; count < 3; count += 1) {
      const client = await NbdClient.ready({ type: 'unix', path }, 'disk');
      expect((await client.request({ command: Command.read, length: 4096 })).error).toBe(0);
      await client.disconnect();
    }
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(output).toBe('listening\ndone\n');
    expect(existsSync(path)).toBe(false);
  }, 100_000);
});
