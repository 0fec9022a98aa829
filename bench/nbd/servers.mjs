// NBD servers that share a raw image over a unix socket, each a process of its own.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const blk = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux
const MICROSECONDS = 1e6;
const ENDING_MS = 10_000;

/** Ours first; the others are who there is to be equal to. */
export const SERVERS = {
  'block-backend': (image, socket) => [
    process.execPath,
    [blk, 'nbd', '-f', 'raw', '-t', '-e', '0', '-k', socket, image],
  ],
  'qemu-nbd': (image, socket) => ['qemu-nbd', ['-f', 'raw', '-t', '-e', '0', '-k', socket, image]],
  'qemu-storage-daemon': (image, socket) => [
    'qemu-storage-daemon',
    [
      ...['--blockdev', `driver=file,node-name=disk,filename=${image},aio=io_uring`],
      ...['--nbd-server', `addr.type=unix,addr.path=${socket}`],
      ...['--export', 'type=nbd,id=e,node-name=disk,name=,writable=on'],
    ],
  ],
  nbdkit: (image, socket) => ['nbdkit', ['-f', '-U', socket, 'file', image]],
};

export const OURS = 'block-backend';

/** Fields 14 and 15 of proc_pid_stat(5), all threads included. */
function cpuMicroseconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * MICROSECONDS;
}

export class Server {
  #child;
  #ended;
  #socket;

  constructor(name, image, socket) {
    const [program, args] = SERVERS[name](image, socket);
    this.#socket = socket;
    this.#child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', resolve);
    });
  }

  get uri() {
    return `nbd+unix:///?socket=${this.#socket}`;
  }

  async ready() {
    while (!existsSync(this.#socket)) {
      if (this.#child.exitCode !== null) throw new Error(`${this.#child.spawnfile} has ended`);
      await delay(10);
    }
  }

  /** That it has used so far, in microseconds. */
  get cpu() {
    return cpuMicroseconds(this.#child.pid);
  }

  async stop() {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ENDING_MS);
    await this.#ended;
    clearTimeout(timer);
    rmSync(this.#socket, { force: true });
  }
}
