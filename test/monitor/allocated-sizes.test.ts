// Asking hosts what images occupy, while the graph goes on changing.
import {
  allocatedSize,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  queryBlock,
} from '../../lib/index.js';
import { clearGraph } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk, openVirtual } from '../support/null-disk.js';

const MIB = 1 << 20;

afterEach(clearGraph);

test('query-block: a node is busy while its host is asked, so that nobody closes the file', async () => {
  const file = { driver: 'file', 'node-name': 'file', filename: image(MIB) };
  const node = await blockdevAdd({ driver: 'raw', 'node-name': 'raw', file });
  const asked = allocatedSize(node);
  // The call, and the request that it makes once it is there.
  expect(node.info().inFlight).toBe(2);
  const closed = blockdevDel('raw');
  expect(await asked).toBe(0);
  await closed;
});

onEveryEngineAndHome((context) => {
  test('query-block: it answers in a drained section, and while requests are held back', async () => {
    const file = { driver: 'file', filename: image(MIB, Buffer.from('x')) };
    const settings = { context: context(), name: 'd' };
    await using blk = await BlockBackend.open({ driver: 'raw', file }, settings);
    const section = await blk.drained();
    const parked = blk.pread(0, Buffer.alloc(512));
    expect((await queryBlock())[0]?.inserted?.image['actual-size']).toBe(MIB);
    section.end();
    expect(await parked).toBe(512);
  });

  test('query-block: drives that come and go meanwhile are shown as they are at the end', async () => {
    const drive = (name: string) => {
      const file = { driver: 'file', filename: image(MIB) };
      return BlockBackend.open({ driver: 'raw', file }, { context: context(), name });
    };
    const goes = await drive('goes');
    const asked = queryBlock();
    await Promise.all([goes.close(), drive('comes')]);
    for (const { inserted } of await asked) expect(inserted?.image['actual-size']).toBe(0);
    expect((await queryBlock()).map(({ device }) => device)).toEqual(['comes']);
  });
});

test('query-block: in a virtual context nobody need move the clock', async () => {
  const { blk, context } = await openVirtual(fastDisk(), { name: 'd' });
  const file = { driver: 'file', filename: image(MIB) };
  const other = await BlockBackend.open({ driver: 'raw', file }, { name: 'e', context });
  const sizes = (await queryBlock()).map(({ inserted }) => inserted?.image['actual-size']);
  expect(sizes).toEqual([0, 0]);
  await blk.close();
  await other.close();
  await context.close();
});
