import { constants } from 'node:os';
import { Ending } from '../../../lib/cli/daemon/ending.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

test.each(SIGNALS)(
  'daemon: the first signal asks for the end, %s after it is the end',
  async (last) => {
    const before = new Map(SIGNALS.map((name) => [name, process.listeners(name)]));
    const exit = jest.spyOn(process, 'exit').mockImplementation((() => {}) as () => never);
    try {
      const ending = new Ending();
      process.emit('SIGHUP');
      await ending.reached;
      expect(exit).not.toHaveBeenCalled();
      process.emit(last);
      expect(exit.mock.calls).toEqual([[128 + constants.signals[last]]]);
    } finally {
      exit.mockRestore();
      for (const name of SIGNALS) {
        for (const listener of process.listeners(name)) {
          if (!before.get(name)?.includes(listener)) process.off(name, listener);
        }
      }
    }
  },
);
