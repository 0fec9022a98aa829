import { CorruptionList } from '../../../lib/cli/demo/corruption';

test('demo: all corruptions are counted, and the first eight by offset are kept', () => {
  const list = new CorruptionList();
  for (const offset of [90, 10, 80, 20, 70, 30, 60, 40, 50, 0]) {
    list.add({ offset, expected: 'zeroes', found: 'data' });
  }
  expect(list.count).toBe(10);
  expect(list.first.map(({ offset }) => offset)).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
});
