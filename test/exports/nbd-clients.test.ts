// Genuine clients, all on one writable export, while its control side does all that it may:
// BLOCK_BACKEND_TEST_NBD_ROUNDS=100 is the long form.
import { readFileSync } from 'node:fs';
import type { BlockBackend, NbdExport } from '../../lib/index.js';
import { image } from '../support/images.js';
import { combinations } from '../support/matrix.js';
import { servedMovably, underControl } from '../support/nbd-control.js';
import {
  fioVerifies,
  fioWrites,
  must,
  python,
  pythonWrites,
  qemuIoWrites,
  type Region,
  readersFind,
} from '../support/nbd-programs.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { describeWith } from '../support/tools.js';
import { until } from '../support/waiting.js';

const MIB = 1 << 20;
const SIZE = 24 * MIB;
const BLOCK = 4096;
const FIO: Region = { offset: 0, length: 4 * MIB };
const LIBNBD: Region = { offset: 8 * MIB, length: 8 * MIB };
const QEMU_IO: Region = { offset: 16 * MIB, length: 8 * MIB };
const PROGRAMS = ['fio', 'qemu-io', 'qemu-img', 'nbdcopy', 'nbdinfo'];
const rounds = Number(process.env.BLOCK_BACKEND_TEST_NBD_ROUNDS ?? '1');
const seed = chooseSeed();

/** The bytes of the image, there. */
function bytesOf(filename: string, { offset, length }: Region): Buffer {
  return readFileSync(filename).subarray(offset, offset + length);
}

function randomImage(bytes: number, number: number): { filename: string; content: Buffer } {
  const below = randomNumbers(number);
  const pattern = Buffer.from(Array.from({ length: 64 * 1024 + 1 }, () => below(256)));
  const content = Buffer.alloc(bytes, pattern);
  // Holes as well: clients skip them, or write zeroes.
  for (let at = 0; at < bytes; at += MIB) if (below(3) === 0) content.fill(0, at, at + MIB);
  return { filename: image(bytes, content), content };
}

/** Parts of the disk, one for each client, at the same time. */
async function writeTogether(uri: string, filename: string, number: number): Promise<void> {
  const [fio, qemu, libnbd] = await Promise.all([
    fioWrites(uri, FIO, number),
    qemuIoWrites(uri, QEMU_IO, { seed: number, count: 60 }),
    python === undefined ? undefined : pythonWrites(uri, LIBNBD, { seed: number, rounds: 40 }),
  ]);
  const blocks = FIO.length / BLOCK;
  expect(fio).toMatchObject({
    error: 0,
    read: { total_ios: blocks },
    write: { total_ios: blocks },
  });
  const verified = await fioVerifies(filename, FIO, number);
  expect(verified).toMatchObject({ error: 0, read: { total_ios: blocks } });
  expect(bytesOf(filename, QEMU_IO).equals(qemu)).toBe(true);
  if (libnbd !== undefined) {
    expect(libnbd.completed).toBe(40 * 12);
    expect(bytesOf(filename, LIBNBD).equals(libnbd.content)).toBe(true);
  }
}

/** The whole disk, by one client after the other. */
async function overwrite(uri: string, filename: string, number: number): Promise<void> {
  const copied = randomImage(SIZE, number);
  await must('nbdcopy', '--flush', copied.filename, uri);
  expect(readFileSync(filename).equals(copied.content)).toBe(true);
  const converted = randomImage(SIZE, number + 1);
  await must('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', converted.filename, uri);
  expect(readFileSync(filename).equals(converted.content)).toBe(true);
}

function failuresOf({ stats }: BlockBackend): number[] {
  const { failed_rd_operations, failed_wr_operations } = stats;
  const { failed_flush_operations, failed_unmap_operations } = stats;
  return [
    failed_rd_operations,
    failed_wr_operations,
    failed_flush_operations,
    failed_unmap_operations,
  ];
}

async function expectUnharmed(item: NbdExport): Promise<void> {
  await until(() => item.clients === 0);
  expect([item.backend.inFlight, item.backend.parked]).toEqual([0, 0]);
  expect(failuresOf(item.backend)).toEqual([0, 0, 0, 0]);
}

const without =
  python === undefined ? ', without the Python binding: python3-libnbd not found' : '';

describeWith(PROGRAMS, `nbd: genuine clients under control (seed ${seed}${without})`, () => {
  test.each(combinations)(
    'nbd: they lose nothing through sections, limits, refused resizes and moves, from $home on $aio',
    (combination) =>
      servedMovably(combination, SIZE, async ({ server, item, filename, contexts }) => {
        const uri = server.uri(item.name);
        await underControl(item, contexts, async () => {
          for (let round = 0; round < rounds; round += 1) {
            await writeTogether(uri, filename, seed + round);
            await readersFind(uri, readFileSync(filename));
            await overwrite(uri, filename, seed + round);
          }
        });
        await expectUnharmed(item);
      }),
    120_000 * rounds,
  );
});
