// Which limits make sense, and which rule is told where several are broken.
import {
  BUCKETS,
  type Bucket,
  checkLengths,
  completeLimits,
  isThrottling,
  NO_LIMITS,
  type ThrottleLimits,
} from '../../lib/throttle/limits.js';

/** Why they are refused; undefined: they are not. */
function refusal(limits: { readonly [name: string]: unknown }): string | undefined {
  try {
    completeLimits(limits as ThrottleLimits);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ name: 'BlockError', code: 'EINVAL' });
    return /throttle: (.*) \[EINVAL\]/.exec((error as Error).message)?.[1];
  }
}

const everyBucket = (body: (bucket: Bucket) => void): void => {
  for (const bucket of BUCKETS) body(bucket);
};

describe('THR-25', () => {
  const broken = {
    // In the order in which the rules are asked.
    combination: { 'bps-total': 1, 'bps-read': 1 },
    size: { 'iops-size': 4096 },
    limit: { 'bps-write': 1e15 + 1 },
    noLength: { 'bps-write': 1, 'bps-write-max': 1, 'bps-write-max-length': 0 },
    lengthAlone: { 'bps-write': 1, 'bps-write-max-length': 2 },
    tooLong: { 'bps-write': 1, 'bps-write-max': 1e15, 'bps-write-max-length': 2 },
    maxAlone: { 'bps-write-max': 5 },
    maxBelow: { 'bps-write': 10, 'bps-write-max': 5 },
  };
  const sentences: { readonly [rule in keyof typeof broken]: string } = {
    combination: 'bps-total and bps-read exclude each other',
    size: 'iops-size needs a limit of operations: iops-total, iops-read or iops-write',
    limit: 'bps-write must be at most 1000000000000000, and is 1000000000000001',
    noLength: 'bps-write-max-length must be at least 1 second',
    lengthAlone: 'bps-write-max-length needs bps-write-max',
    tooLong:
      'bps-write-max-length must be at most 1 seconds with a bps-write-max of 1000000000000000',
    maxAlone: 'bps-write-max needs bps-write',
    maxBelow: 'bps-write-max must not be below bps-write: 5 is less than 10',
  };

  test.each(Object.keys(broken) as (keyof typeof broken)[])('THR-25: rule %s is told', (rule) => {
    expect(refusal(broken[rule])).toBe(sentences[rule]);
  });

  test('THR-25: of two broken rules about the whole the first is told', () => {
    expect(refusal({ ...broken.size, ...broken.combination })).toBe(sentences.combination);
    expect(refusal({ ...broken.maxBelow, ...broken.size })).toBe(sentences.size);
  });

  test('THR-25: of two broken rules about a bucket the first is told', () => {
    const both = (first: object, second: object) => refusal({ ...second, ...first });
    expect(both({ 'bps-write': 1e15 + 1, 'bps-write-max-length': 0 }, {})).toBe(sentences.limit);
    expect(both({ 'bps-write-max-length': 0 }, { 'bps-write-max': 5 })).toBe(sentences.noLength);
    expect(both({ 'bps-write-max-length': 2 }, {})).toBe(sentences.lengthAlone);
    expect(both({ 'bps-write-max-length': 2 }, { 'bps-write-max': 1e15 })).toBe(sentences.tooLong);
    expect(both({ 'bps-write-max': 5 }, {})).toBe(sentences.maxAlone);
  });

  test('THR-25: total and directions exclude each other per unit, not across units', () => {
    expect(refusal({ 'bps-total': 1, 'iops-read': 1 })).toBeUndefined();
    expect(refusal({ 'iops-total': 1, 'iops-write': 1 })).toBe(
      'iops-total and iops-write exclude each other',
    );
  });
});

describe.each(['bps', 'iops'])('limits of %s', (unit) => {
  test('THR-26: a total excludes its directions', () => {
    const average = (...names: string[]) =>
      refusal(Object.fromEntries(names.map((name) => [`${unit}-${name}`, 1])));
    const maximum = (...names: string[]) =>
      refusal(
        Object.fromEntries(
          names.flatMap((name) => [
            [`${unit}-${name}`, 1],
            [`${unit}-${name}-max`, 1],
          ]),
        ),
      );
    for (const set of [average, maximum]) {
      expect(set('total', 'read')).toBeDefined();
      expect(set('total', 'write')).toBeDefined();
      expect(set('total', 'read', 'write')).toBeDefined();
      expect(set('total')).toBeUndefined();
      expect(set('read', 'write')).toBeUndefined();
    }
    expect(refusal({ [`${unit}-total-max`]: 1, [`${unit}-read-max`]: 1 })).toBe(
      `${unit}-total-max and ${unit}-read-max exclude each other`,
    );
  });
});

test('THR-27: ranges of the limits and of the maximum', () => {
  everyBucket((bucket) => {
    expect(refusal({ [bucket]: -1 })).toBe(`${bucket} must not be negative, and is -1`);
    expect(refusal({ [bucket]: 0 })).toBeUndefined();
    expect(refusal({ [bucket]: 1 })).toBeUndefined();
    expect(refusal({ [bucket]: 1e15 })).toBeUndefined();
    expect(refusal({ [bucket]: 1e15 + 1 })).toBeDefined();
    const max = (value: number) => refusal({ [bucket]: 1, [`${bucket}-max`]: value });
    expect(max(-1)).toBeDefined();
    expect(max(1e15)).toBeUndefined();
    expect(max(1e15 + 1)).toBeDefined();
  });
});

test('THR-27: ranges of the length of a burst', () => {
  everyBucket((bucket) => {
    const burst = (max: number, length: number, average = 1) =>
      refusal({ [bucket]: average, [`${bucket}-max`]: max, [`${bucket}-max-length`]: length });
    expect(burst(1, 0)).toBeDefined();
    expect(burst(1, 1e15)).toBeUndefined();
    expect(burst(1, 1e15 + 1)).toBeDefined();
    expect(burst(2, 5e14)).toBeUndefined();
    expect(burst(3, 5e14)).toBeDefined();
    expect(burst(1e15, 1)).toBeUndefined();
    expect(burst(1e15, 2)).toBeDefined();
  });
});

test('THR-28: a maximum needs a limit, and is not below it', () => {
  everyBucket((bucket) => {
    const pair = (average: number, max: number) =>
      refusal({ [bucket]: average, [`${bucket}-max`]: max });
    expect(pair(0, 100)).toBe(`${bucket}-max needs ${bucket}`);
    expect(pair(0, 0)).toBeUndefined();
    expect(pair(100, 0)).toBeUndefined();
    expect(pair(100, 30)).toBeDefined();
    expect(pair(100, 100)).toBeUndefined();
  });
});

test('THR-29: an operation size alone limits nothing', () => {
  expect(refusal({ 'iops-size': 4096 })).toBeDefined();
  expect(refusal({ 'iops-size': 4096, 'bps-total': 1 })).toBeDefined();
  for (const name of ['iops-total', 'iops-read', 'iops-write']) {
    expect(refusal({ 'iops-size': 4096, [name]: 1 })).toBeUndefined();
  }
});

test('THR-30: all zero is valid and means off', () => {
  expect(isThrottling(completeLimits({}))).toBe(false);
  expect(isThrottling(completeLimits(NO_LIMITS))).toBe(false);
  everyBucket((bucket) => expect(isThrottling(completeLimits({ [bucket]: 1 }))).toBe(true));
});

test('TQ-6: what is absent is 0, lengths are 1', () => {
  const { 'bps-total': total, ...rest } = completeLimits({ 'bps-total': 7 });
  expect(total).toBe(7);
  for (const [name, value] of Object.entries(rest)) {
    expect([name, value]).toEqual([name, name.endsWith('-max-length') ? 1 : 0]);
  }
});

test('TQ-7: a length of 0 and negative values are refused', () => {
  everyBucket((bucket) => {
    const given = { [bucket]: 1, [`${bucket}-max`]: 1 };
    expect(refusal({ ...given, [`${bucket}-max-length`]: 0 })).toBe(
      `${bucket}-max-length must be at least 1 second`,
    );
    expect(refusal({ ...given, [`${bucket}-max-length`]: -1 })).toBe(
      `${bucket}-max-length must not be negative, and is -1`,
    );
  });
});

test('TQ-13: lengths end at 2^32-1', () => {
  everyBucket((bucket) => {
    const length = (value: number) => () => checkLengths({ [`${bucket}-max-length`]: value });
    expect(length(2 ** 32 - 1)).not.toThrow();
    expect(length(2 ** 32)).toThrow(
      `${bucket}-max-length must be at most 4294967295 seconds, and is 4294967296`,
    );
  });
});

test('throttle: what is no limit is named', () => {
  expect(refusal({ 'bps-all': 1 })).toBe("'bps-all' is no limit");
  expect(refusal({ 'bps-total': 1.5 })).toBe('bps-total must be a whole number');
  expect(refusal({ 'bps-total': '1' })).toBe('bps-total must be a whole number');
});
