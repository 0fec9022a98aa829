import { ownProcess } from '../../../lib/cli/io/host';

describe('io: signals', () => {
  let kill: jest.SpyInstance;
  beforeEach(() => {
    jest.useFakeTimers();
    kill = jest.spyOn(process, 'kill').mockReturnValue(true);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  test('io: sigraise leaves a signal the time to be delivered', async () => {
    const raised = ownProcess.raise(15);
    expect(kill).toHaveBeenCalledWith(process.pid, 15);
    expect(jest.getTimerCount()).toBe(1);
    jest.runAllTimers();
    await raised;
  });

  test('io: sigraise waits for no signal where none is sent', async () => {
    await ownProcess.raise(0);
    expect(kill).toHaveBeenCalledWith(process.pid, 0);
    await ownProcess.raise(65);
    expect(kill).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});
