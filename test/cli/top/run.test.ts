// When `blk top` looks, on a clock that only notes what it is asked.
import { setTimeout as delay } from 'node:timers/promises';
import { runTop } from '../../../lib/cli/top/run.js';
import { useMonitor } from '../../support/monitor.js';

jest.mock('node:timers/promises', () => ({
  ...jest.requireActual('node:timers/promises'),
  setTimeout: jest.fn(async () => {}),
}));

const monitor = useMonitor();

test('blk top: before each table it waits for the interval', async () => {
  const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await runTop(monitor().path, { interval: 2.5, count: 3, json: true });
    expect(write.mock.calls).toEqual([['[]\n'], ['[]\n'], ['[]\n']]);
  } finally {
    write.mockRestore();
  }
  expect(jest.mocked(delay).mock.calls).toEqual([[2500], [2500], [2500]]);
});
