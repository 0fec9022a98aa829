// Commit all (HMP: commit all).
import { BlockBackend, type BlockdevOptions, commitAll, probe } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';

const CLUSTER = 65536;

onEveryEngineAndHome((context) => {
  const overlay = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
    driver: 'x-probe',
    'node-name': name,
    size: CLUSTER,
    backing: { driver: 'x-probe', 'node-name': `${name}-base`, size: CLUSTER },
    ...more,
  });
  const open = (options: BlockdevOptions, settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });
  const written = async (blk: BlockBackend) => {
    await blk.pwrite(0, Buffer.alloc(512, 'c'));
    return blk;
  };
  const left = (...names: string[]) => names.map((name) => probe(name).allocatedClusters);

  test('MISC-15: every backend with a medium over a backing file is committed, hidden ones too', async () => {
    await using _named = await written(await open(overlay('named'), { name: 'disk' }));
    await using _hidden = await written(await open(overlay('hidden')));
    await using _empty = new BlockBackend({ context: context(), name: 'empty' });
    await using _alone = await written(await open({ driver: 'x-probe', 'node-name': 'alone' }));
    await commitAll();
    expect(left('named', 'hidden', 'named-base', 'hidden-base', 'alone')).toEqual([0, 0, 1, 1, 1]);
    // The backing file is sealed again.
    expect(probe('named-base').node.readOnly).toBe(true);
  });

  test('MISC-15: the first error stops it', async () => {
    await using _first = await written(await open(overlay('first')));
    await using _second = await written(await open(overlay('second')));
    await using _third = await written(await open(overlay('third')));
    probe('second').failNext('commit', 'ENOSPC');
    expect(await codeOf(commitAll())).toBe('ENOSPC');
    expect(left('first', 'second', 'third')).toEqual([0, 1, 1]);
    expect(probe('second-base').node.readOnly).toBe(true);
  });

  test('DRAIN-24: a commit does not wait for the end of a drained section', async () => {
    await using blk = await written(await open(overlay('drained')));
    await using _section = await blk.drained();
    await commitAll();
    expect(left('drained', 'drained-base')).toEqual([0, 1]);
    expect(blk.quiesceCount).toBe(1);
  });
});
