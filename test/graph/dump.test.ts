// The dump of the graph, as tests and users see it.
import { Edge } from '../../lib/graph/edge.js';
import { AioContext, BlockBackend, drainedAll, graphDump } from '../../lib/index.js';
import { fastDisk } from '../support/null-disk.js';
import { turn } from '../support/waiting.js';

const ALL = ['consistent-read', 'write', 'write-unchanged', 'resize'];

const disk = fastDisk({ 'node-name': 'disk' });

describe('graph dump', () => {
  test('GRAPH-34: an empty graph has three empty lists', () => {
    expect(graphDump()).toEqual({ nodes: [], backends: [], edges: [] });
  });

  test('GRAPH-34: nodes, backends and edges, with what each holds', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'raw', 'node-name': 'top', 'read-only': true, file: disk },
      { name: 'drive0', shared: ['consistent-read'] },
    );
    const dump = graphDump();
    expect(dump).toEqual({
      nodes: [
        {
          id: expect.any(Number),
          name: 'disk',
          driver: 'null-co',
          context: 'main',
          'read-only': true,
          quiesceCount: 0,
          options: { size: 1 << 20, 'latency-ns': 0, 'read-zeroes': false },
        },
        {
          id: blk.root?.id,
          name: 'top',
          driver: 'raw',
          context: 'main',
          'read-only': true,
          quiesceCount: 0,
          options: { offset: 0 },
        },
      ],
      backends: [
        {
          id: expect.any(Number),
          name: 'drive0',
          context: 'main',
          node: 'top',
          permissions: ['consistent-read'],
          shared: ['consistent-read'],
          quiesceCount: 0,
        },
      ],
      edges: [
        {
          parent: { type: 'block-backend', id: dump.backends[0]?.id, name: 'drive0' },
          name: 'root',
          role: ['filtered', 'primary'],
          child: 'top',
          permissions: ['consistent-read'],
          shared: ['consistent-read'],
        },
        {
          parent: { type: 'node', id: blk.root?.id, name: 'top' },
          name: 'file',
          role: ['filtered', 'primary'],
          child: 'disk',
          permissions: ['consistent-read'],
          shared: ['consistent-read'],
        },
      ],
    });
  });

  test('GRAPH-34: it is plain data of the caller', async () => {
    await using _ = await BlockBackend.open({ driver: 'raw', file: disk });
    const dump = graphDump();
    expect(JSON.parse(JSON.stringify(dump))).toStrictEqual(dump);
    const text = JSON.stringify(dump);
    const node = dump.nodes[0];
    if (node !== undefined) node.options.size = 1;
    dump.edges[0]?.shared.pop();
    dump.nodes.pop();
    expect(JSON.stringify(graphDump())).toBe(text);
  });

  test('GRAPH-34: a window and a backend without a medium', async () => {
    await using _ = await BlockBackend.open({
      driver: 'raw',
      offset: 512,
      file: disk,
    });
    await using empty = new BlockBackend({ name: 'empty' });
    const { backends, edges } = graphDump();
    expect(backends.map(({ name }) => name)).toEqual(['', empty.name]);
    expect(backends[1]).toStrictEqual({
      id: expect.any(Number),
      name: 'empty',
      context: 'main',
      permissions: [],
      shared: ALL,
      quiesceCount: 0,
    });
    expect(edges.find(({ name }) => name === 'file')).toMatchObject({
      role: ['data', 'primary'],
      permissions: ['consistent-read', 'write'],
      shared: ['consistent-read', 'write', 'write-unchanged'],
    });
  });

  test('GRAPH-34: the order depends on names, not on history', async () => {
    const names = ['n3', 'n10', 'N2', 'n1'];
    const opened: BlockBackend[] = [];
    for (const name of names) {
      opened.push(await BlockBackend.open(fastDisk({ 'node-name': name }), { name: `d-${name}` }));
    }
    await using _ = await BlockBackend.open('n3');
    await using __ = await BlockBackend.open('n1');
    const { nodes, backends, edges } = graphDump();
    expect(nodes.map(({ name }) => name)).toEqual(['N2', 'n1', 'n10', 'n3']);
    expect(backends.map(({ name }) => name)).toEqual(['', '', 'd-N2', 'd-n1', 'd-n10', 'd-n3']);
    expect(backends.map(({ node }) => node)).toEqual(['n3', 'n1', 'N2', 'n1', 'n10', 'n3']);
    expect(edges.map(({ child }) => child)).toEqual(['n3', 'n1', 'N2', 'n1', 'n10', 'n3']);
    for (const blk of opened) await blk.close();
  });

  test('GRAPH-34: after a change that was refused it is what it was before', async () => {
    await using _ = await BlockBackend.open(
      { driver: 'raw', 'node-name': 'top', file: disk },
      { shared: ['consistent-read'] },
    );
    const before = graphDump();
    await expect(BlockBackend.open('disk')).rejects.toMatchObject({ code: 'EPERM' });
    await expect(BlockBackend.open({ driver: 'raw', file: 'top' })).rejects.toMatchObject({
      code: 'EPERM',
    });
    expect(graphDump()).toStrictEqual(before);
    await using reader = await BlockBackend.open('disk', { permissions: ['consistent-read'] });
    expect(graphDump()).not.toEqual(before);
    await reader.close();
    expect(graphDump()).toStrictEqual(before);
  });

  test('GRAPH-34: owners, jobs and frozen edges are shown', async () => {
    await using blk = await BlockBackend.open(disk);
    const node = blk.root;
    if (node === undefined) throw new Error('it has a medium');
    const job = { kind: 'block-job', name: 'job0', describe: () => "job 'job0'" };
    const other = { describe: () => 'a guest' };
    const edges = [job, other].map((parent) => new Edge(parent as never, 'target', node, 0));
    Object.assign(node, { monitorOwned: true });
    Object.assign(edges[0] as Edge, { frozen: 2 });
    node.parents.push(...edges);
    const dump = graphDump();
    node.parents.splice(node.parents.indexOf(edges[0] as Edge), 2);
    Object.assign(node, { monitorOwned: false });
    expect(dump.nodes).toMatchObject([{ name: 'disk', owners: ['monitor'] }]);
    const shown = dump.edges.map(({ parent, frozen }) => ({ ...parent, frozen }));
    expect(shown).toEqual([
      { type: 'block-backend', id: expect.any(Number), name: '' },
      { type: 'other', name: 'a guest' },
      { type: 'job', name: 'job0', frozen: true },
    ]);
    expect(graphDump().nodes[0]).not.toHaveProperty('owners');
  });

  test('GRAPH-34: in the middle of opening and closing it shows what there is', async () => {
    const opening = BlockBackend.open({ driver: 'raw', 'node-name': 'top', file: disk });
    const seen = new Set<string>();
    const watch = async (change: Promise<unknown>): Promise<void> => {
      let done = false;
      const ended = change.then(() => {
        done = true;
      });
      while (!done) {
        seen.add(
          graphDump()
            .nodes.map(({ name }) => name)
            .join(),
        );
        await turn();
      }
      await ended;
    };
    await watch(opening);
    await watch((await opening).close());
    expect([...seen].sort()).toEqual(expect.arrayContaining(['', 'disk,top']));
    expect(graphDump()).toEqual({ nodes: [], backends: [], edges: [] });
  });

  test('GRAPH-34: drained sections and contexts are shown', async () => {
    const context = new AioContext({ home: 'iothread', name: 'io' });
    const blk = await BlockBackend.open({ driver: 'raw', file: disk }, { context });
    const one = await blk.drained();
    const all = await drainedAll();
    const { nodes, backends } = graphDump();
    expect(nodes.map(({ context: where }) => where)).toEqual(['io', 'io']);
    expect(nodes.map(({ name, quiesceCount }) => [name === 'disk', quiesceCount])).toEqual([
      [false, 2],
      [true, 1],
    ]);
    expect(backends).toMatchObject([{ context: 'io', quiesceCount: 2 }]);
    all.end();
    one.end();
    await blk.close();
    await context.close();
    expect(graphDump()).toEqual({ nodes: [], backends: [], edges: [] });
  });
});
