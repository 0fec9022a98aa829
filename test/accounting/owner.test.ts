// What owners account themselves, in real homes.
import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';

onEveryEngineAndHome((context) => {
  test('ACCT-1: what an owner has accounted is in the numbers that it reads next', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' }, { context: context() });
    for (let count = 1; count <= 500; count += 1) {
      blk.accounting.done(blk.accounting.start('write', 512));
      blk.accounting.failed(blk.accounting.start('read', 512));
      blk.accounting.invalid('flush');
      expect(blk.stats).toMatchObject({
        wr_operations: count,
        failed_rd_operations: count,
        invalid_flush_operations: count,
      });
    }
  });
});
