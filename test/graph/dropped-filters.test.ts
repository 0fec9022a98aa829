// A filter that was taken out of the graph, and that somebody still holds: it has no medium.
import {
  allocatedSize,
  appendNode,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  dropFilter,
  flushAll,
  replaceNode,
  ThrottleGroup,
} from '../../lib/index.js';
import { clearGraph, contentOf, nodeOf, underLoad } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';
import { slowCommits } from '../support/slow-commits.js';
import { turn } from '../support/waiting.js';

const filters: readonly [string, object][] = [
  ['throttle', { 'throttle-group': 'group', file: 'disk' }],
  ['copy-on-read', { file: 'disk' }],
  ['blkdebug', { image: 'disk' }],
  [
    'blkverify',
    { raw: 'disk', test: { driver: 'null-co', size: 1024 * 1024, 'read-zeroes': true } },
  ],
];

/** A flush of all nodes holds those that it comes to. */
async function deleteWhenFree(node: string): Promise<void> {
  while ((await codeOf(blockdevDel(node))) === 'EBUSY') await turn();
}

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  test.each(filters)(
    'GRAPH-22: a %s that was dropped and is held still answers ENOMEDIUM',
    async (driver, options) => {
      const release = ThrottleGroup.named('group').pin();
      await blockdevAdd({ driver: 'x-probe', 'node-name': 'disk' });
      const blk = await BlockBackend.open('disk', { context: context() });
      await blockdevAdd({ driver, 'node-name': 'filter', ...options });
      if (driver !== 'blkverify') {
        await underLoad(blk, async () => {
          await replaceNode('disk', 'filter');
          expect(blk.root?.name).toBe('filter');
          await dropFilter('filter');
        });
      } else {
        await dropFilter('filter');
      }
      expect(blk.root?.name).toBe('disk');
      expect(nodeOf('filter').children.map(({ edge }) => edge.name)).toEqual(
        driver === 'blkverify' ? ['test'] : [],
      );

      const user = new BlockBackend({ context: context(), permissions: [] });
      await user.insert('filter');
      const requests = [
        () => user.pread(0, Buffer.alloc(512)),
        () => user.pwrite(0, Buffer.alloc(512)),
        () => user.pwriteZeroes(0, 512),
        () => user.pdiscard(0, 512),
        () => user.getLength(),
        () => user.flush(),
        () => user.blockStatus(0, 512),
        () => user.truncate(512),
        () => user.probeBlockSizes(),
      ];
      const codes = await Promise.all(requests.map((request) => codeOf(request())));
      expect(codes).toEqual(requests.map(() => 'ENOMEDIUM'));
      await user.close();
      await blockdevDel('filter');
      release();
    },
  );

  test('GRAPH-22: filters come and go while others ask for sizes and flush', async () => {
    await blockdevAdd({ driver: 'raw', 'node-name': 'disk', file: { driver: 'null-co' } });
    await using blk = await BlockBackend.open('disk', { context: context() });
    using _slow = slowCommits();
    let going = true;
    const ask = async (): Promise<void> => {
      // Called at any moment, also when a section has just been found quiet.
      while (going)
        await Promise.all([allocatedSize('disk'), flushAll(), new Promise(setImmediate)]);
    };
    const asking = Array.from({ length: 4 }, ask);
    for (let round = 0; round < 100; round += 1) {
      await blockdevAdd({ driver: 'copy-on-read', 'node-name': 'filter', file: 'disk' });
      await replaceNode('disk', 'filter');
      expect(blk.root?.name).toBe('filter');
      await dropFilter('filter');
      expect(blk.root?.name).toBe('disk');
      await deleteWhenFree('filter');
    }
    going = false;
    await Promise.all(asking);
  });

  test('GRAPH-19: a filter that was dropped can stand on a node again', async () => {
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'disk' });
    const blk = await BlockBackend.open('disk', { context: context() });
    await blk.pwrite(0, Buffer.from('disk'));
    await blockdevAdd({ driver: 'copy-on-read', 'node-name': 'filter', file: 'disk' });
    await dropFilter('filter');
    await appendNode('filter', 'disk');
    expect(blk.root?.name).toBe('filter');
    expect(await contentOf(blk, 0, 4)).toBe('disk');
  });
});
