// Every form of every request with every kind of wrong argument: a clear error in the way of that
// form, never an exception before a promise or callback, and nothing else is disturbed.
import { AbortError, BlockBackend, BlockError } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';

type Arguments = readonly unknown[];
type Callback = (error: Error | null, result: number) => void;
type Anything = { [name: string]: (...values: Arguments) => unknown };

interface Form {
  readonly name: string;
  /** Arguments that work. */
  readonly good: Arguments;
  /** Where the callback of the callback form stands. */
  readonly callback: number;
}

const sector = Buffer.alloc(512);
const forms: readonly Form[] = [
  { name: 'pread', good: [0, sector], callback: 2 },
  { name: 'pwrite', good: [0, sector], callback: 2 },
  { name: 'preadv', good: [0, [sector]], callback: 2 },
  { name: 'pwritev', good: [0, [sector]], callback: 2 },
  { name: 'pwriteZeroes', good: [0, 512], callback: 2 },
  { name: 'pdiscard', good: [0, 512], callback: 2 },
  { name: 'truncate', good: [1 << 20], callback: 1 },
];

const TYPE = 'ERR_INVALID_ARG_TYPE';
const VALUE = 'ERR_INVALID_ARG_VALUE';
const RANGE = 'ERR_OUT_OF_RANGE';

const wrongCounts: readonly (readonly [unknown, string])[] = [
  [undefined, TYPE],
  [null, TYPE],
  ['0', TYPE],
  [true, TYPE],
  [{}, TYPE],
  [[0], TYPE],
  [Symbol('0'), TYPE],
  [() => 0, TYPE],
  [new Date(0), TYPE],
  [Number.NaN, VALUE],
  [Number.POSITIVE_INFINITY, VALUE],
  [0.5, VALUE],
  [-0.5, VALUE],
  [2 ** 53, VALUE],
  [-(2 ** 53), VALUE],
  [2n ** 53n + 1n, RANGE],
  [2n ** 63n, RANGE],
  [-(2n ** 63n) - 1n, RANGE],
];

const throwing = {
  get signal(): AbortSignal {
    throw new RangeError('a getter of the caller');
  },
};

const wrongBuffers: readonly unknown[] = [
  undefined,
  null,
  'text',
  512,
  [1, 2],
  {},
  new ArrayBuffer(512),
  new SharedArrayBuffer(512),
  { byteLength: 512, buffer: new ArrayBuffer(512) },
];

const wrongOptions: readonly (readonly [unknown, string])[] = [
  [null, TYPE],
  [1, TYPE],
  ['fua', TYPE],
  [{ signal: null }, TYPE],
  [{ signal: {} }, TYPE],
  [{ signal: { aborted: false, addEventListener: null } }, TYPE],
  [{ signal: Object.create(AbortSignal.prototype) }, TYPE],
];

interface BadCall {
  readonly form: Form;
  readonly values: Arguments;
  readonly argument: string;
  readonly code: string;
}

function replaced(values: Arguments, index: number, value: unknown): Arguments {
  return values.map((old, at) => (at === index ? value : old));
}

function countNames({ name }: Form): readonly string[] {
  if (name === 'truncate') return ['size'];
  return name === 'pwriteZeroes' || name === 'pdiscard' ? ['offset', 'bytes'] : ['offset'];
}

function badCalls(form: Form): BadCall[] {
  const calls: BadCall[] = [];
  for (const [index, argument] of countNames(form).entries()) {
    for (const [value, code] of wrongCounts) {
      calls.push({ form, values: replaced(form.good, index, value), argument, code });
    }
  }
  if (form.good[1] === sector) {
    for (const value of wrongBuffers) {
      calls.push({ form, values: [0, value], argument: 'buffer', code: TYPE });
    }
  } else if (Array.isArray(form.good[1])) {
    for (const value of [undefined, null, sector, new Set([sector]), 'text']) {
      calls.push({ form, values: [0, value], argument: 'buffers', code: TYPE });
    }
    for (const value of wrongBuffers) {
      calls.push({ form, values: [0, [sector, value]], argument: 'buffers[1]', code: TYPE });
    }
  }
  return calls;
}

const allBadCalls = forms.flatMap(badCalls);

/** What the call gives: its error, or a failure of the test when it throws early or succeeds. */
async function promised(blk: BlockBackend, name: string, values: Arguments): Promise<Error> {
  const promise = (blk as unknown as Anything)[name]?.(...values) as Promise<number>;
  return promise.then(
    () => new Error(`${name} did not fail`),
    (error: Error) => error,
  );
}

function calledBack(
  blk: BlockBackend,
  { name, callback }: Form,
  values: Arguments,
): Promise<{ error: Error | null; result: number }> {
  return new Promise((resolve, reject) => {
    let returned = false;
    const tell: Callback = (error, result) => {
      if (!returned) reject(new Error(`${name} called back before it returned`));
      resolve({ error, result });
    };
    const all = [...values.slice(0, callback), tell, ...values.slice(callback)];
    (blk.aio as unknown as Anything)[name]?.(...all);
    returned = true;
  });
}

function thrown(blk: BlockBackend, name: string, values: Arguments): Error {
  try {
    (blk as unknown as Anything)[`${name}Sync`]?.(...values);
  } catch (error) {
    return error as Error;
  }
  return new Error(`${name}Sync did not throw`);
}

function expectClear(error: Error | null, { argument, code }: BadCall): void {
  expect(error).toMatchObject({ code });
  expect(error?.message).toContain(`"${argument}"`);
  expect(error?.message).toMatch(/must be .+\. Received ./);
}

onEveryEngineAndHome((context) => {
  const open = () => BlockBackend.open(fastDisk(), { context: context() });

  test('REQ: all forms refuse all wrong arguments in their own way, each with one sentence', async () => {
    await using blk = await open();
    expect(allBadCalls.length).toBeGreaterThan(200);
    // One batch: the good requests between the bad ones must be none the worse for it.
    const good: Promise<number>[] = [];
    const bad = allBadCalls.map((call) => {
      good.push(blk.pread(0, sector));
      return promised(blk, call.form.name, call.values);
    });
    for (const [index, error] of (await Promise.all(bad)).entries()) {
      expectClear(error, allBadCalls[index] as BadCall);
    }
    expect(new Set(await Promise.all(good))).toEqual(new Set([512]));
    const told = allBadCalls.map((call) => calledBack(blk, call.form, call.values));
    for (const [index, { error, result }] of (await Promise.all(told)).entries()) {
      expectClear(error, allBadCalls[index] as BadCall);
      expect(result).toBe(-22);
    }
    for (const call of allBadCalls) {
      expectClear(thrown(blk, call.form.name, call.values), call);
    }
    expect([blk.inFlight, blk.parked]).toEqual([0, 0]);
  });

  test('REQ: wrong options are refused by all forms that take them', async () => {
    await using blk = await open();
    const takesOptions = [...forms, { name: 'flush', good: [], callback: 0 }];
    for (const form of takesOptions) {
      for (const [options, code] of wrongOptions) {
        const error = await promised(blk, form.name, [...form.good, options]);
        expect(error).toMatchObject({ code });
        expect(error.message).toMatch(/^The "options(\.signal)?" argument must be an? .+ Received/);
      }
      const error = await promised(blk, form.name, [...form.good, throwing]);
      expect(error.message).toBe('a getter of the caller');
    }
    for (const preallocation of ['none', 1, null, Object.create(null), Symbol('off')]) {
      const error = await promised(blk, 'truncate', [0, { preallocation }]);
      expect(error).toMatchObject({ code: VALUE });
      expect(error.message).toContain('one of off, metadata, falloc, full. Received ');
    }
    expect([blk.inFlight, blk.parked]).toEqual([0, 0]);
  });

  test('REQ: ioctl wants a known request and enough memory', async () => {
    await using blk = await open();
    const BLKGETSIZE64 = 0x80081272;
    const calls: [Arguments, string][] = [
      [[undefined], RANGE],
      [[-1], RANGE],
      [[2 ** 32], RANGE],
      [['1'], RANGE],
      [[0.5], RANGE],
      [[0x4b01], 'EINVAL'],
      [[BLKGETSIZE64], VALUE],
      [[BLKGETSIZE64, Buffer.alloc(7)], VALUE],
      [[BLKGETSIZE64, 'text'], TYPE],
    ];
    for (const [values, code] of calls) {
      expect(await promised(blk, 'ioctl', values)).toMatchObject({ code });
      expect(thrown(blk, 'ioctl', values)).toMatchObject({ code });
    }
  });

  test('REQ: the callback itself is the one argument whose absence throws', async () => {
    await using blk = await open();
    for (const { name, good, callback } of forms) {
      for (const wrong of [undefined, null, 'text', {}]) {
        const values = [...good.slice(0, callback), wrong];
        expect(() => (blk.aio as unknown as Anything)[name]?.(...values)).toThrow(
          expect.objectContaining({ code: TYPE, message: expect.stringContaining('"callback"') }),
        );
      }
    }
    expect(blk.inFlight).toBe(0);
  });

  test('REQ: a range that is none says what would be one', async () => {
    await using blk = await open();
    const end = 1 << 20;
    const lies = 'the range must lie within the medium, which has 1048576 bytes';
    const positive = 'offset and length must be 0 or more';
    const cases: [string, Arguments, string, object][] = [
      ['pread', [-1, sector], `pread of 512 bytes at -1: ${positive}`, { offset: -1, length: 512 }],
      ['pread', [end, sector], `pread of 512 bytes at ${end}: ${lies}`, { offset: end }],
      ['pwrite', [end - 511, sector], `pwrite of 512 bytes at ${end - 511}: ${lies}`, {}],
      ['preadv', [2n ** 62n, [sector]], `pread of 512 bytes at ${2 ** 62}: ${lies}`, {}],
      ['pwriteZeroes', [0, -1], `pwrite_zeroes of -1 bytes at 0: ${positive}`, { length: -1 }],
      ['pdiscard', [0, end + 1], `pdiscard of ${end + 1} bytes at 0: ${lies}`, { offset: 0 }],
      ['pdiscard', [0, 2 ** 53 - 1], `pdiscard of ${2 ** 53 - 1} bytes at 0: ${lies}`, {}],
    ];
    for (const [name, values, text, fields] of cases) {
      const error = await promised(blk, name, values);
      expect(error).toBeInstanceOf(BlockError);
      expect(error).toMatchObject({ code: 'EIO', errno: -5, message: `${text} [EIO]`, ...fields });
      expect(thrown(blk, name, values)).toMatchObject({ message: error.message, ...fields });
    }
  });

  test('REQ: a request that was aborted before it was made says so', async () => {
    await using blk = await open();
    const signal = AbortSignal.abort('no longer wanted');
    for (const { name, good } of forms) {
      const error = await promised(blk, name, [...good, { signal }]);
      expect(error).toBeInstanceOf(AbortError);
      expect(error).toMatchObject({ cause: 'no longer wanted', name: 'AbortError' });
    }
  });
});
