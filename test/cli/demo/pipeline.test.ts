import { pipeline, WAIT } from '../../../lib/cli/demo/pipeline';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('demo', () => {
  test('demo: every lane is busy until there is nothing left', async () => {
    let busy = 0;
    let most = 0;
    const done: number[] = [];
    const items = Array.from({ length: 100 }, (_, index) => index);
    await pipeline(
      [0, 1, 2],
      () => items.shift(),
      async (item) => {
        busy += 1;
        most = Math.max(most, busy);
        await turn();
        busy -= 1;
        done.push(item);
      },
    );
    expect(done.length).toBe(100);
    expect({ most, busy }).toEqual({ most: 3, busy: 0 });
  });

  test('demo: what has to wait starts when something under way is done', async () => {
    const items = [1, 2, 3];
    let underWay = 0;
    let most = 0;
    const next = (): number | typeof WAIT | undefined => (underWay > 0 ? WAIT : items.shift());
    await pipeline(['a', 'b'], next, async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await turn();
      underWay -= 1;
    });
    expect({ items, most }).toEqual({ items: [], most: 1 });
  });

  test('demo: the first failure ends it, after what was under way', async () => {
    const items = [1, 2, 3, 4, 5];
    const finished: number[] = [];
    const running = pipeline(
      ['a', 'b'],
      () => items.shift(),
      async (item) => {
        await turn();
        if (item === 1) throw new Error('item 1');
        await turn();
        finished.push(item);
        if (item === 2) throw new Error('item 2');
      },
    );
    await expect(running).rejects.toThrow('item 1');
    expect({ items, finished }).toEqual({ items: [3, 4, 5], finished: [2] });
  });
});
