import { BlockError } from '../../lib/errors/block-error.js';
import { GraphLock } from '../../lib/graph/graph-lock.js';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('graph lock', () => {
  test('changes run one at a time, in order, whether they fail or not', async () => {
    const lock = new GraphLock();
    const order: string[] = [];
    const change = (name: string) =>
      lock.run(name, async () => {
        order.push(`${name} begins`);
        await turn();
        order.push(`${name} ends`);
        if (name === 'a') throw new Error('a failed');
        return name;
      });
    const results = await Promise.allSettled([change('a'), change('b'), change('c')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(order.join(', ')).toBe('a begins, a ends, b begins, b ends, c begins, c ends');
  });

  test('a change that would wait for itself fails with EDEADLK and names the holder', async () => {
    const lock = new GraphLock();
    const inner = await lock.run('open disk0', async (change) => {
      const tried = lock.guard(change, () => lock.run('close disk1', async () => {}));
      return tried.catch((error: unknown) => error);
    });
    expect(inner).toBeInstanceOf(BlockError);
    expect(inner).toMatchObject({ code: 'EDEADLK', operation: 'close disk1' });
    expect((inner as Error).message).toContain("'open disk0'");
    await lock.run('later', async () => {});
  });
});
