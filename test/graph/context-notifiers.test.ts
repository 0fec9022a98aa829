// What those hear of a move who asked to be told of it.
import { graph } from '../../lib/graph/graph.js';
import { AioContext, BlockBackend, BlockUsageError } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { fastDisk } from '../support/null-disk.js';

onEveryEngineAndHome((context) => {
  let other: AioContext;

  beforeAll(() => {
    other = new AioContext();
  });

  afterEach(() => {
    expect([BlockBackend.all().length, graph().nodes.size]).toEqual([0, 0]);
  });

  afterAll(() => other.close());

  const empty = () => new BlockBackend({ context: context() });
  const open = (options: object | string = fastDisk(), settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });
  const tour = () => [other, AioContext.main, context(), other, context()];

  test('CTX-12: detach before the switch, attached after it with the new context', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using blk = await open('n', { context: undefined });
    const calls: unknown[] = [];
    const opaque = {};
    const attached = (to: AioContext, given: unknown) =>
      calls.push('attached', to, blk.context, given === opaque);
    const detach = (given: unknown) => calls.push('detach', blk.context, given === opaque);
    blk.addContextNotifier(attached, detach, opaque);
    let from = AioContext.main;
    for (const to of tour()) {
      await blk.setContext(to);
      expect(calls.splice(0)).toEqual(['detach', from, true, 'attached', to, to, true]);
      from = to;
    }
    // Without the root they hear nothing, and with the next one they do again.
    await blk.remove();
    expect([node.context, calls]).toEqual([AioContext.main, []]);
    await blk.insert('n');
    expect([node.context, calls]).toEqual([context(), []]);
    await using another = await open('n', { context: undefined, name: 'd0' });
    blk.allowContextChange = true;
    await another.setContext(other);
    expect(calls).toEqual(['detach', context(), true, 'attached', other, other, true]);
    blk.removeContextNotifier(attached, detach, opaque);
    await dropMonitorNode(node);
  });

  test('CTX-13: without a medium adding only remembers; duplicates each fire; the newest first', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using blk = empty();
    const calls: unknown[] = [];
    const attached = (_to: AioContext, opaque: unknown) => calls.push(`attached ${String(opaque)}`);
    const detach = (opaque: unknown) => calls.push(`detach ${String(opaque)}`);
    for (const opaque of [1, 2, 2]) blk.addContextNotifier(attached, detach, opaque);
    await blk.setContext(other);
    expect(calls).toEqual([]);
    await blk.insert('n');
    expect([calls, node.context]).toEqual([[], other]);
    await blk.setContext(context());
    const order = [2, 2, 1];
    const expected = [...order.map((of) => `detach ${of}`), ...order.map((of) => `attached ${of}`)];
    expect(calls.splice(0)).toEqual(expected);
    // One of the two.
    blk.removeContextNotifier(attached, detach, 2);
    await blk.setContext(other);
    expect(calls).toEqual(['detach 2', 'detach 1', 'attached 2', 'attached 1']);
    await dropMonitorNode(node);
  });

  test('CTX-14: removing needs the very three, and is safe in a notifier', async () => {
    await using blk = await open();
    const calls: string[] = [];
    const attached = () => calls.push('attached');
    const detach = () => calls.push('detach');
    const opaque = {};
    blk.addContextNotifier(attached, detach, opaque);
    const wrong: [() => void, () => void, unknown][] = [
      [attached, detach, undefined],
      [attached, attached, opaque],
      [detach, detach, opaque],
    ];
    for (const three of wrong) {
      expect(() => blk.removeContextNotifier(...three)).toThrow(BlockUsageError);
    }
    const early = () => {
      calls.push('early');
      blk.removeContextNotifier(early, early, opaque);
      blk.removeContextNotifier(attached, detach, opaque);
    };
    const last = () => calls.push('last');
    blk.removeContextNotifier(attached, detach, opaque);
    blk.addContextNotifier(last, last);
    blk.addContextNotifier(attached, detach, opaque);
    blk.addContextNotifier(early, early, opaque);
    await blk.setContext(other);
    expect(calls).toEqual(['early', 'last', 'last']);
    expect(() => blk.removeContextNotifier(attached, detach, opaque)).toThrow(BlockUsageError);
    blk.removeContextNotifier(last, last);
  });
});
