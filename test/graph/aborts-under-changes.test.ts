// Requests that leave a drained section by themselves, while the graph changes in it.
import { BlockBackend, blockdevAdd } from '../../lib/index.js';
import { clearGraph } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';
import { slowCommits } from '../support/slow-commits.js';

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  test('GRAPH-33: aborted requests come between no change of media', async () => {
    for (const name of ['one', 'two']) {
      await blockdevAdd({ driver: 'null-co', 'node-name': name, size: 65536 });
    }
    const blk = await BlockBackend.open('one', { context: context() });
    using _slow = slowCommits();
    let going = true;
    const give = async (): Promise<void> => {
      const memory = Buffer.alloc(512);
      while (going) {
        const abort = new AbortController();
        const read = codeOf(blk.pread(0, memory, { signal: abort.signal }));
        await Promise.resolve();
        abort.abort();
        expect(['none', 'ENOMEDIUM', 'ABORT_ERR']).toContain(await read);
        await new Promise(setImmediate);
      }
    };
    const guests = Array.from({ length: 16 }, give);
    for (let round = 0; round < 100; round += 1) {
      await blk.remove();
      await blk.insert('two');
      await blk.replaceRoot('one');
    }
    going = false;
    await Promise.all(guests);
  });
});
