// Work of a backend's owner that is no request, and that drained sections wait for.
import { BlockBackend, BlockUsageError } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { codeThrown } from '../support/requests.js';
import { isSettled, turn } from '../support/waiting.js';

onEveryEngineAndHome((context) => {
  test('AIO-13: what an owner counts holds a drained section open until it is done', async () => {
    await using blk = await BlockBackend.open(fastDisk(), { context: context() });
    expect([blk.incInFlight(), blk.incInFlight(), blk.inFlight]).toEqual([1, 2, 2]);
    const begun = blk.drained();
    expect(blk.decInFlight()).toBe(1);
    for (let count = 0; count < 5; count += 1) await turn();
    expect(await isSettled(begun)).toBe(false);
    expect(blk.decInFlight()).toBe(0);
    (await begun).end();
    expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('AIO-13: an owner takes no more back than it has counted', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context: context() });
    expect(() => blk.decInFlight()).toThrow(BlockUsageError);
    expect(() => blk.decInFlight()).toThrow(/has no work of its owner in flight/);
    blk.incInFlight();
    blk.decInFlight();
    (await blk.drained()).end();
    await blk.close();
    expect(codeThrown(() => blk.incInFlight())).toBe('ENOMEDIUM');
  });
});
