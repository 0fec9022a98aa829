// Genuine NBD clients at work on a part of a disk, or on all of it. Each gives, or checks, what the
// disk then holds.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { image } from './images.js';
import { client, type Ran } from './nbd.js';
import { type Random, randomNumbers } from './random.js';
import { foreignEnv } from './tools.js';

/** A part of a disk, in bytes. */
export interface Region {
  readonly offset: number;
  readonly length: number;
}

const BLOCK = 4096;

/** What it printed; throws where it failed. */
export async function must(program: string, ...args: readonly string[]): Promise<string> {
  const ran: Ran = await client(program, ...args);
  if (ran.code === 0) return ran.stdout;
  throw new Error(`${program} ${args.join(' ')} ended with ${ran.code}:\n${ran.stderr}`);
}

// --- fio

const fioOptions = ({ offset, length }: Region, seed: number): string[] => [
  ...['--name=job', `--offset=${offset}`, `--size=${length}`, `--bs=${BLOCK}`],
  ...['--iodepth=16', '--verify=crc32c', '--verify_fatal=1', `--randseed=${seed}`],
  // Or it would leave a file where it was started.
  ...['--verify_state_save=0', '--output-format=json', '--rw=randwrite'],
];

interface FioJob {
  readonly error: number;
  readonly read: { readonly total_ios: number };
  readonly write: { readonly total_ios: number };
}

/** Of the only job. */
function jobIn(json: string): FioJob {
  // It may say something before.
  const { jobs } = JSON.parse(json.slice(json.indexOf('{'))) as { jobs: FioJob[] };
  return jobs[0] as FioJob;
}

/** Writes every block in random order, and verifies them all. */
export async function fioWrites(uri: string, region: Region, seed: number): Promise<FioJob> {
  const options = ['--ioengine=nbd', `--uri=${uri}`, '--do_verify=1'];
  return jobIn(await must('fio', ...options, ...fioOptions(region, seed)));
}

/** Verifies in the image what fio has written. */
export async function fioVerifies(filename: string, region: Region, seed: number): Promise<FioJob> {
  const options = ['--ioengine=psync', `--filename=${filename}`, '--verify_only=1'];
  return jobIn(await must('fio', ...options, ...fioOptions(region, seed)));
}

// --- qemu-io

/** Commands with what the region holds after them. */
function qemuIoCommands(
  region: Region,
  count: number,
  below: Random,
): { commands: string[]; content: Buffer } {
  const content = Buffer.alloc(region.length);
  const commands: string[] = [];
  const blocks = region.length / BLOCK;
  for (let left = count; left > 0; left -= 1) {
    const first = below(blocks);
    const length = BLOCK * (1 + below(Math.min(16, blocks - first)));
    const at = first * BLOCK;
    const range = `${region.offset + at} ${length}`;
    const fill = 1 + below(255);
    switch (below(5)) {
      case 0:
        commands.push(`write -z ${range}`);
        content.fill(0, at, at + length);
        break;
      case 1:
        commands.push(`discard ${range}`, 'flush');
        content.fill(0, at, at + length);
        break;
      case 2:
        commands.push(`write -f -P ${fill} ${range}`);
        content.fill(fill, at, at + length);
        break;
      default:
        commands.push(`aio_write -P ${fill} ${range}`, 'aio_flush', `read -P ${fill} ${range}`);
        content.fill(fill, at, at + length);
    }
  }
  return { commands, content };
}

/** Writes, zeroes, discards and reads back; gives what the region then holds. */
export async function qemuIoWrites(
  uri: string,
  region: Region,
  { seed, count }: { readonly seed: number; readonly count: number },
): Promise<Buffer> {
  const { commands, content } = qemuIoCommands(region, count, randomNumbers(seed));
  const said = await must(
    'qemu-io',
    ...['-f', 'raw', '--discard', 'unmap'],
    ...commands.flatMap((command) => ['-c', command]),
    uri,
  );
  expect(said).not.toMatch(/failed|error/i);
  return content;
}

// --- libnbd's Python binding

/** An interpreter that has it. */
export const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import nbd'], { env: foreignEnv() }).status === 0,
);

const PYTHON_CLIENT = join(__dirname, '../exports/nbd-client.py');

/** Works on it with several connections; gives what the region then holds. */
export async function pythonWrites(
  uri: string,
  { offset, length }: Region,
  { seed, rounds }: { readonly seed: number; readonly rounds: number },
): Promise<{ readonly content: Buffer; readonly completed: number }> {
  const model = image(0);
  const numbers = [offset, length, seed, rounds].map(String);
  const said = await must(python ?? 'python3', PYTHON_CLIENT, uri, ...numbers, model);
  return { content: readFileSync(model), completed: Number(said) };
}

// --- whole disks

/** All that reads or maps a whole disk finds this content. */
export async function readersFind(uri: string, content: Buffer): Promise<void> {
  const copied = image(content.length);
  const converted = image(content.length);
  const [map, info] = await Promise.all([
    must('qemu-img', 'map', '--output=json', '-f', 'raw', uri),
    must('nbdinfo', '--map', '--totals', '--json', uri),
    must('nbdcopy', uri, copied),
    must('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri, converted),
  ]);
  expect(readFileSync(copied).equals(content)).toBe(true);
  expect(readFileSync(converted).equals(content)).toBe(true);
  const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);
  const extents = JSON.parse(map) as { length: number }[];
  expect(sum(extents.map(({ length }) => length))).toBe(content.length);
  const totals = JSON.parse(info) as { size: number }[];
  expect(sum(totals.map(({ size }) => size))).toBe(content.length);
  const compared = await must('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', copied, uri);
  expect(compared).toContain('identical');
}
