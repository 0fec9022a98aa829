// What a backend says about errors: policies, the I/O status, events, and trying again.
import {
  BlockBackend,
  type BlockdevOnError,
  type BlockErrorAction,
  type BlockIoErrorEvent,
  BlockUsageError,
  createDrive,
  type FailedRequest,
  queryBlock,
  RunState,
  setRunState,
} from '../../lib/index.js';
import { CdDrive, recordEvents } from '../support/cd-drive.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf, codeThrown } from '../support/requests.js';
import { until } from '../support/waiting.js';

const EIO = 5;
const ENOSPC = 28;
const sector = Buffer.alloc(512);

onEveryEngineAndHome((context) => {
  let machine: RunState;

  beforeEach(() => {
    machine = new RunState();
    setRunState(machine);
  });

  afterEach(async () => {
    jest.useRealTimers();
    setRunState(new RunState());
    // A stop that was posted holds what it flushes.
    await until(() => BlockBackend.all().length === 0);
  });

  const empty = (settings = {}) => new BlockBackend({ context: context(), ...settings });
  const open = (options: object = fastDisk({ 'node-name': 'disk' }), settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });

  /** Collects BLOCK_IO_ERROR. */
  const ioErrors = (): { events: BlockIoErrorEvent[] } & Disposable => {
    const events: BlockIoErrorEvent[] = [];
    const listening = recordEvents({ BLOCK_IO_ERROR: (event) => events.push(event) });
    return { events, [Symbol.dispose]: () => listening[Symbol.dispose]() };
  };

  test('LC-1: a new backend reports read errors, stops when there is no room, and has no status', async () => {
    await using blk = empty();
    expect([blk.getOnError(true), blk.getOnError(false)]).toEqual(['report', 'enospc']);
    expect([blk.iostatusIsEnabled, blk.iostatus]).toEqual([false, 'ok']);
  });

  test('ATT-9: removal keeps the error policy and the I/O status', async () => {
    await using blk = await open();
    blk.setOnError('stop', 'ignore');
    blk.iostatusEnable();
    blk.iostatusSetError(EIO);
    await blk.remove();
    expect([blk.getOnError(true), blk.getOnError(false)]).toEqual(['stop', 'ignore']);
    expect([blk.iostatusIsEnabled, blk.iostatus]).toEqual([true, 'failed']);
  });

  test.each<[BlockdevOnError, number, BlockErrorAction]>([
    ['report', EIO, 'report'],
    ['report', ENOSPC, 'report'],
    ['ignore', EIO, 'ignore'],
    ['ignore', ENOSPC, 'ignore'],
    ['stop', EIO, 'stop'],
    ['stop', ENOSPC, 'stop'],
    ['enospc', EIO, 'report'],
    ['enospc', ENOSPC, 'stop'],
  ])('ERR-1: the policy %j makes of errno %j the action %j', async (policy, errno, action) => {
    await using blk = empty();
    blk.setOnError(policy, policy);
    expect([true, false].map((isRead) => blk.getErrorAction(isRead, errno))).toEqual([
      action,
      action,
    ]);
  });

  test('ERR-1: the policy auto has no action', async () => {
    await using blk = empty();
    blk.setOnError('auto', 'auto');
    expect(() => blk.getErrorAction(true, EIO)).toThrow(BlockUsageError);
  });

  test('ERR-1: a policy of the own decides for each failed request', async () => {
    await using blk = empty({ name: 'd0' });
    const asked: FailedRequest[] = [];
    blk.setOnError('report', (failed) => {
      asked.push(failed);
      return failed.errno === ENOSPC ? 'stop' : 'ignore';
    });
    expect([blk.getErrorAction(false, EIO), blk.getErrorAction(false, ENOSPC)]).toEqual([
      'ignore',
      'stop',
    ]);
    expect(asked).toEqual([
      { operation: 'write', errno: EIO, device: 'd0' },
      { operation: 'write', errno: ENOSPC, device: 'd0' },
    ]);
  });

  test('ERR-2: reads have one policy, all other requests the other', async () => {
    await using blk = empty();
    blk.setOnError('ignore', 'stop');
    expect([blk.getErrorAction(true, EIO), blk.getErrorAction(false, EIO)]).toEqual([
      'ignore',
      'stop',
    ]);
  });

  test('ERR-3: rerror is ignore, stop or report, werror also enospc; others are refused by name', async () => {
    for (const rerror of ['ignore', 'stop', 'report'] as const) {
      await using blk = empty({ rerror, werror: rerror });
      expect([blk.getOnError(true), blk.getOnError(false)]).toEqual([rerror, rerror]);
    }
    await using drive = await createDrive({}, { context: context(), werror: 'enospc' });
    expect(drive.getOnError(false)).toBe('enospc');
    expect(codeThrown(() => empty({ rerror: 'enospc' }))).toBe('EINVAL');
    expect(() => empty({ werror: 'panic' })).toThrow(/'werror' must be .*enospc/);
    expect(await codeOf(open(fastDisk(), { rerror: 'auto' }))).toBe('EINVAL');
  });

  test('ERR-4: the status counts if it is enabled and an error can stop the machine', async () => {
    await using blk = empty();
    const effective = (rerror: BlockdevOnError, werror: BlockdevOnError) => {
      blk.setOnError(rerror, werror);
      return blk.iostatusIsEnabled;
    };
    expect(effective('stop', 'stop')).toBe(false);
    blk.iostatusEnable();
    expect([
      effective('report', 'enospc'),
      effective('report', 'stop'),
      effective('stop', 'report'),
      effective('report', 'report'),
      effective('ignore', 'ignore'),
    ]).toEqual([true, true, true, false, false]);
  });

  test('ERR-5: enabling sets ok, disabling keeps, resetting sets ok only while it counts', async () => {
    await using blk = empty({ werror: 'stop' });
    blk.iostatusEnable();
    blk.iostatusSetError(EIO);
    blk.iostatusDisable();
    blk.iostatusReset();
    expect(blk.iostatus).toBe('failed');
    blk.iostatusEnable();
    expect(blk.iostatus).toBe('ok');
    blk.iostatusSetError(EIO);
    blk.setOnError('report', 'report');
    blk.iostatusReset();
    expect(blk.iostatus).toBe('failed');
    blk.setOnError('report', 'stop');
    blk.iostatusReset();
    expect(blk.iostatus).toBe('ok');
  });

  test.each([
    [[ENOSPC], 'nospace'],
    [[EIO], 'failed'],
    [[EIO, ENOSPC], 'failed'],
    [[ENOSPC, EIO], 'nospace'],
  ])('ERR-6: of the errors %j the first one tells: %j', async (errors, status) => {
    await using blk = empty();
    blk.iostatusEnable();
    for (const errno of errors) blk.iostatusSetError(errno);
    expect(blk.iostatus).toBe(status);
  });

  test('ERR-7: an error without a status to record it changes nothing', async () => {
    await using blk = empty();
    blk.setOnError('enospc', 'report');
    blk.iostatusEnable();
    expect(blk.getErrorAction(true, ENOSPC)).toBe('stop');
    blk.errorAction('stop', true, ENOSPC);
    expect([blk.iostatusIsEnabled, blk.iostatus]).toEqual([false, 'ok']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(machine.state).toBe('io-error');
  });

  test('ERR-11: report and ignore send the event, and neither stop nor count', async () => {
    await using blk = await open();
    using seen = ioErrors();
    blk.iostatusEnable();
    blk.errorAction('report', true, EIO);
    blk.errorAction('ignore', false, EIO);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.events.map(({ action, operation }) => [action, operation])).toEqual([
      ['report', 'read'],
      ['ignore', 'write'],
    ]);
    expect([blk.iostatus, machine.state]).toEqual(['ok', 'running']);
  });

  test('ERR-12: fields: names that may be empty, the node of a medium, nospace only with a status', async () => {
    await using bare = empty();
    await using blk = await open(fastDisk({ 'node-name': 'disk' }), { name: 'd0' });
    using seen = ioErrors();
    bare.errorAction('report', true, EIO);
    blk.attachDevice({}, 'ide0', '/machine/ide0');
    blk.iostatusEnable();
    blk.errorAction('report', false, ENOSPC);
    blk.errorAction('report', true, EIO);
    const named = { 'qom-path': '/machine/ide0', device: 'd0', 'node-name': 'disk' };
    expect(seen.events).toEqual([
      { 'qom-path': '', device: '', operation: 'read', action: 'report', reason: 'i/o error' },
      {
        ...named,
        operation: 'write',
        action: 'report',
        nospace: true,
        reason: 'no space left on device',
      },
      { ...named, operation: 'read', action: 'report', nospace: false, reason: 'i/o error' },
    ]);
  });

  test('NEW-19: the event has the path of the device', async () => {
    await using blk = await open();
    using seen = ioErrors();
    blk.attachDevice({}, 'ide0', '/machine/peripheral/ide0');
    blk.errorAction('report', true, EIO);
    expect(seen.events).toMatchObject([{ 'qom-path': '/machine/peripheral/ide0' }]);
  });

  test('ERR-13: an errno is positive', async () => {
    await using blk = empty();
    for (const errno of [-EIO, 0, 1.5]) {
      expect(() => blk.getErrorAction(true, errno)).toThrow(BlockUsageError);
      expect(() => blk.errorAction('report', true, errno)).toThrow(BlockUsageError);
      expect(() => blk.iostatusSetError(errno)).toThrow(BlockUsageError);
    }
  });

  test('ERR-14: a request that fails changes no status and sends no event', async () => {
    await using blk = await open(
      { driver: 'x-probe', fail: `pread:${EIO}:1,pwrite:${ENOSPC}:1` },
      { rerror: 'stop', werror: 'stop' },
    );
    blk.iostatusEnable();
    using seen = ioErrors();
    expect([await codeOf(blk.pread(0, sector)), await codeOf(blk.pwrite(0, sector))]).toEqual([
      'EIO',
      'ENOSPC',
    ]);
    expect([seen.events, blk.iostatus, machine.state]).toEqual([[], 'ok', 'running']);
  });

  test('ERR-15: kept and sent again, failed, or completed and counted: the device does as it is told', async () => {
    await using blk = await open(
      { driver: 'x-probe', fail: `pwrite:${EIO}:3` },
      { werror: 'stop' },
    );
    blk.iostatusEnable();
    /** A device model: what the guest gets. */
    const send = async (resumed: () => Promise<void>): Promise<string> => {
      const cookie = blk.accounting.start('write', 512);
      for (;;) {
        const code = await codeOf(blk.pwrite(0, sector));
        if (code === 'none') {
          blk.accounting.done(cookie);
          return 'done';
        }
        const action = blk.getErrorAction(false, EIO);
        blk.errorAction(action, false, EIO);
        if (action === 'stop') {
          await resumed();
          continue;
        }
        if (action === 'ignore') blk.accounting.done(cookie);
        else blk.accounting.failed(cookie);
        return action === 'ignore' ? 'done' : code;
      }
    };
    const resumed = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      expect(machine.state).toBe('io-error');
      await machine.start();
      // The operator has seen to it.
      blk.setOnError('report', 'report');
    };
    // The second failure is reported.
    expect(await send(resumed)).toBe('EIO');
    blk.setOnError('report', 'ignore');
    expect(await send(resumed)).toBe('done');
    expect(await send(resumed)).toBe('done');
    expect(blk.stats).toMatchObject({ wr_operations: 2, failed_wr_operations: 1 });
  });

  test('DEV-2: attaching a device resets the status, if it counts', async () => {
    await using blk = empty({ werror: 'stop' });
    blk.iostatusEnable();
    blk.iostatusSetError(ENOSPC);
    const device = {};
    blk.attachDevice(device);
    expect([blk.iostatus, blk.references]).toEqual(['ok', 2]);
    await blk.detachDevice(device);
    blk.iostatusSetError(EIO);
    blk.iostatusDisable();
    blk.attachDevice(device);
    expect(blk.iostatus).toBe('failed');
  });

  test('ERR-17: a device that comes finds the status ok', async () => {
    await using blk = empty();
    blk.iostatusEnable();
    blk.iostatusSetError(EIO);
    blk.attachDevice({});
    expect(blk.iostatus).toBe('ok');
  });

  test('DEV-21: what a device leaves to auto the backend says, and the rest is kept by the backend', async () => {
    await using blk = empty({ rerror: 'ignore', werror: 'stop' });
    blk.writeCache = false;
    blk.applyDeviceConf({ rerror: 'auto', werror: 'auto', 'write-cache': 'auto' });
    expect([blk.getOnError(true), blk.getOnError(false), blk.writeCache]).toEqual([
      'ignore',
      'stop',
      false,
    ]);
    blk.applyDeviceConf({
      werror: 'report',
      'write-cache': 'on',
      'account-invalid': 'off',
      'account-failed': 'auto',
    });
    expect([blk.getOnError(true), blk.getOnError(false), blk.writeCache]).toEqual([
      'ignore',
      'report',
      true,
    ]);
    expect(blk.stats).toMatchObject({ account_invalid: false, account_failed: true });
  });

  test('QRY-2: a query shows the status only while it counts', async () => {
    await using blk = empty({ name: 'd0' });
    expect((await queryBlock())[0]).not.toHaveProperty('io-status');
    blk.iostatusEnable();
    expect((await queryBlock())[0]).toMatchObject({ 'io-status': 'ok' });
    blk.iostatusSetError(ENOSPC);
    expect((await queryBlock())[0]).toMatchObject({ 'io-status': 'nospace' });
    blk.setOnError('report', 'report');
    expect((await queryBlock())[0]).not.toHaveProperty('io-status');
  });

  describe('the policy retry', () => {
    const device = (blk: BlockBackend): { retries: number } => {
      const seen = { retries: 0 };
      blk.attachDevice(seen);
      blk.setDeviceOps({
        retryRequest: () => {
          seen.retries += 1;
        },
      });
      return seen;
    };
    const fakeTime = () => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });

    test('ERR-18: after 1,000 ms the device is to try again; the event says retry', async () => {
      await using blk = await open(fastDisk(), { rerror: 'retry', werror: 'retry' });
      fakeTime();
      using seen = ioErrors();
      const disk = device(blk);
      expect(blk.getErrorAction(false, EIO)).toBe('retry');
      blk.errorAction('retry', false, EIO);
      expect(seen.events).toMatchObject([{ action: 'retry', operation: 'write' }]);
      jest.advanceTimersByTime(999);
      expect(disk.retries).toBe(0);
      jest.advanceTimersByTime(1);
      expect(disk.retries).toBe(1);
      jest.advanceTimersByTime(10_000);
      expect([disk.retries, machine.state]).toEqual([1, 'running']);
    });

    test('ERR-18: a device that cannot retry gets the error', async () => {
      await using blk = await open(fastDisk(), { rerror: 'retry', werror: 'retry' });
      const drive = new CdDrive();
      blk.attachDevice(drive);
      blk.setDeviceOps(drive.ops());
      expect(blk.getErrorAction(true, EIO)).toBe('report');
    });

    test('ERR-18: after the timeout since the first failure it is reported; a success begins anew', async () => {
      fakeTime();
      await using blk = empty({ rerror: 'retry', 'retry-interval': 100, 'retry-timeout': 250 });
      device(blk);
      const actionAfter = (ms: number) => {
        jest.advanceTimersByTime(ms);
        return blk.getErrorAction(true, EIO);
      };
      expect([0, 100, 149, 1].map(actionAfter)).toEqual(['retry', 'retry', 'retry', 'report']);
      blk.retrySucceeded();
      expect([0, 249, 1].map(actionAfter)).toEqual(['retry', 'retry', 'report']);
    });

    test('ERR-18: while the backend is drained nothing is tried', async () => {
      await using blk = await open(fastDisk(), { rerror: 'retry', 'retry-interval': 50 });
      const disk = device(blk);
      fakeTime();
      blk.errorAction('retry', true, EIO);
      const first = blk.drainBegin();
      jest.advanceTimersByTime(1000);
      // One that comes in the section waits, too.
      blk.errorAction('retry', true, EIO);
      jest.advanceTimersByTime(1000);
      expect(disk.retries).toBe(0);
      await first;
      blk.drainEnd();
      jest.advanceTimersByTime(49);
      expect(disk.retries).toBe(0);
      jest.advanceTimersByTime(1);
      expect(disk.retries).toBe(1);
    });

    test('NEW-22: it is a policy like the others, and ends with its device', async () => {
      await using blk = await open(fastDisk(), { rerror: 'retry', werror: 'retry' });
      expect([blk.getOnError(true), blk.getOnError(false)]).toEqual(['retry', 'retry']);
      const disk = device(blk);
      fakeTime();
      blk.errorAction('retry', true, EIO);
      const gone = blk.detachDevice(disk);
      jest.advanceTimersByTime(5000);
      await gone;
      expect(disk.retries).toBe(0);
    });
  });
});
