import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend } from '../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from './support/matrix.js';

const folder = scratchFolder();

onEveryEngineAndHome((context) => {
  test('RW-1: reads and writes of n bytes give n', async () => {
    const filename = join(folder, 'rw-1.img');
    writeFileSync(filename, Buffer.alloc(65536, 7));
    await using blk = await BlockBackend.open(rawOptions(filename), { context: context() });
    const buffer = blk.allocate(4096);
    expect(await blk.pread(8192, buffer)).toBe(4096);
    expect(buffer.every((byte) => byte === 7)).toBe(true);
    expect(await blk.pwrite(100, Buffer.alloc(1000, 3))).toBe(1000);
    expect(blk.preadSync(0, buffer)).toBe(4096);
    expect([buffer[99], buffer[100], buffer[1099], buffer[1100]]).toEqual([7, 3, 3, 7]);
  });
});
