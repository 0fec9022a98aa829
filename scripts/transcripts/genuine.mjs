// The genuine programs, with a monitor that connects to us.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { StreamClient } from './stream-client.mjs';

const { LD_PRELOAD: _, ...env } = process.env;

/**
 * Runs `body` with a client of the program's monitor; gives what it gives and what the program
 * printed. @param args what comes after the monitor's.
 */
export async function withGenuine(program, socket, args, body) {
  const server = createServer();
  server.listen(socket);
  await once(server, 'listening');
  const chardev = `socket,id=qmp,path=${socket}`;
  const monitor =
    program === 'qemu-storage-daemon'
      ? ['--chardev', chardev, '--monitor', 'chardev=qmp']
      : [
          '-S',
          '-display',
          'none',
          '-nodefaults',
          '-accel',
          'tcg',
          '-m',
          '16',
          '-chardev',
          chardev,
          '-mon',
          'chardev=qmp,mode=control',
        ]; // prettier-ignore
  const child = spawn(program, [...monitor, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = once(child, 'close');
  let result;
  try {
    const first = await Promise.race([once(server, 'connection'), ended]);
    if (typeof first[0] !== 'object' || first[0] === null) {
      throw new Error(`${program} ended: ${errors}`);
    }
    const client = new StreamClient(first[0]);
    await client.negotiate();
    result = await body(client);
  } finally {
    child.kill('SIGTERM');
    await ended;
    server.close();
  }
  return [result, output];
}
