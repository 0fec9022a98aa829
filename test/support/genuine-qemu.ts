// The genuine programs with a monitor: what they answer is what ours must answer.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QmpClient, type QmpGreeting } from './qmp-client.js';
import { foreignEnv } from './tools.js';

export const QEMU = 'qemu-system-x86_64';
export const STORAGE_DAEMON = 'qemu-storage-daemon';

/** A program that runs, its monitor past the negotiation. */
export interface GenuineQemu {
  readonly qmp: QmpClient;
  readonly greeting: QmpGreeting;
  readonly process: ChildProcess;
  /** Quits it by its monitor. Gives what it printed on standard error. */
  stop(): Promise<string>;
}

/** A machine without a guest that runs, devices or a screen; `args` are drives and devices. */
export function startQemu(args: readonly string[] = []): Promise<GenuineQemu> {
  const machine = ['-S', '-display', 'none', '-nodefaults', '-accel', 'tcg', '-m', '64'];
  return start(QEMU, (path) => [
    ...machine,
    ...['-chardev', `socket,id=qmp,path=${path}`, '-mon', 'chardev=qmp,mode=control'],
    ...args,
  ]);
}

export function startStorageDaemon(args: readonly string[] = []): Promise<GenuineQemu> {
  return start(STORAGE_DAEMON, (path) => [
    ...['--chardev', `socket,id=qmp,path=${path}`, '--monitor', 'chardev=qmp'],
    ...args,
  ]);
}

/** Runs `body` with the program, which has ended when this resolves. */
export async function withGenuine<T>(
  started: Promise<GenuineQemu>,
  body: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const program = await started;
  try {
    return await body(program.qmp);
  } finally {
    await program.stop();
  }
}

/** The program connects to us, so that nobody has to look again and again whether it listens. */
async function start(
  program: string,
  argsFor: (socketPath: string) => string[],
): Promise<GenuineQemu> {
  const folder = mkdtempSync(join(tmpdir(), 'qmp-'));
  const path = join(folder, 'qmp');
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(path, resolve);
    });
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const child = spawn(program, argsFor(path), {
      env: foreignEnv(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    const failed = new Promise<never>((_, reject) => {
      child.on('error', reject);
      child.on('close', (code) => reject(new Error(`${program} ended with ${code}: ${stderr}`)));
    });
    // Only whoever starts it waits for it.
    failed.catch(() => {});
    // A connection without a greeting is that of a program that ends, and says why.
    const greeted = connected.then((socket) => QmpClient.over(socket)).catch(() => failed);
    const [qmp, greeting] = await Promise.race([greeted, failed]);
    await qmp.negotiate();
    const stop = async (): Promise<string> => {
      // It may have ended by itself, or end before it answers.
      await qmp.execute('quit').catch(() => {});
      await ended;
      return stderr;
    };
    return { qmp, greeting, process: child, stop };
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
