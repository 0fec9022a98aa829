// Runs a command line on a disk of its own: in qemu-io, in `blk io`, or in this process.
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { toolEnvironment } from '../differential/tools.mjs';
import { inRoot } from '../lib/project.mjs';
import { DISK_BYTES } from './generator.mjs';

/** After which qemu-io is taken to wait at a breakpoint for ever: a line it needed longer for is only not compared. */
const QEMU_PATIENCE_MS = 3000;
/** What we do must end: however busy the machine is, this is a fault. */
const PATIENCE_MS = 60_000;
/** The exit code of what was ended for that. */
export const ENDLESS = 'endless';
const LONG = 4 * 1024 * 1024;
const main = inRoot('dist/cli/main.js');

/** Sectors that know their number, with a hole. */
function freshDisk() {
  const disk = Buffer.alloc(DISK_BYTES);
  for (let at = 0; at < DISK_BYTES / 2; at += 512) disk.fill((at / 512) & 0xff, at, at + 512);
  return disk;
}

/** An empty folder with the files that command lines name. */
export function freshFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'disk.img'), freshDisk());
  writeFileSync(join(folder, 'other.img'), Buffer.alloc(512));
  writeFileSync(join(folder, 'pattern.bin'), 'pattern!');
  writeFileSync(join(folder, 'empty.bin'), '');
  return folder;
}

/** The disk, or the start and the length of one that a truncate has made very long. */
function diskIn(folder) {
  const path = join(folder, 'disk.img');
  const { size } = statSync(path);
  if (size <= LONG) return readFileSync(path);
  const head = Buffer.alloc(LONG);
  const file = openSync(path, 'r');
  readSync(file, head, 0, LONG, 0);
  closeSync(file);
  return Buffer.concat([head, Buffer.from(String(size))]);
}

function runProcess(program, args, { folder, input, env, patience }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: folder, env });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('latin1').on('data', (text) => {
        output[name] += text;
      });
    }
    let isEndless = false;
    const timer = setTimeout(() => {
      isEndless = true;
      child.kill('SIGKILL');
    }, patience);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: isEndless ? ENDLESS : (code ?? signal), ...output, disk: diskIn(folder) });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

export function runQemuIo({ args, input }, folder) {
  const options = { folder, input, env: toolEnvironment(), patience: QEMU_PATIENCE_MS };
  return runProcess('qemu-io', args, options);
}

export function runBinary({ args, input }, folder) {
  const options = { folder, input, env: process.env, patience: PATIENCE_MS };
  return runProcess(process.execPath, [main, 'io', ...args], options);
}

/** The same code as `blk io`, without a process for each: what is read from a prompt cannot be so. */
export async function runHere({ args }, folder) {
  const { runIo } = await import('../../dist/cli/io/run.js');
  const output = { stdout: '', stderr: '' };
  const sink = {
    out: (line) => {
      output.stdout += `${line}\n`;
    },
    err: (line) => {
      output.stderr += `${line}\n`;
    },
  };
  const host = {
    raise: () => Promise.resolve(),
    abort: () => Promise.reject(new Error('abort is not for here')),
  };
  const before = process.cwd();
  process.chdir(folder);
  try {
    const code = await runIo(args, 'x', sink, host);
    return { code, ...output, disk: diskIn(folder) };
  } finally {
    process.chdir(before);
  }
}
