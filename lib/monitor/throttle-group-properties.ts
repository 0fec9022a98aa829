// A throttle group as an object with properties (QOM: the type 'throttle-group').

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { CompleteLimits, ThrottleLimits } from '../throttle/limits.js';
import type { ThrottleGroup } from '../throttle/throttle-group.js';

/** What `qom-get` shows of a throttle group. */
export type ThrottleGroupProperties = {
  readonly type: 'throttle-group';
  /** All of them, as in force. */
  readonly limits: CompleteLimits;
} & {
  /** The same, one by one. */
  readonly [name in `x-${keyof CompleteLimits}`]: number;
};

const PREFIX = 'x-';

/** The properties of a group: a frozen snapshot. (QMP: qom-get) */
export function throttleGroupProperties({ limits }: ThrottleGroup): ThrottleGroupProperties {
  const single = Object.entries(limits).map(([name, value]) => [PREFIX + name, value]);
  return Object.freeze({ type: 'throttle-group', limits, ...Object.fromEntries(single) });
}

/**
 * `limits`: those that are given change, the others stay, and the whole is checked (TQ-11). No other
 * property can be changed once the object is there (TQ-12). (QMP: qom-set)
 *
 * @throws BlockError EINVAL; then nothing has changed.
 */
export function setThrottleGroupProperty(
  group: ThrottleGroup,
  property: string,
  value: unknown,
): void {
  if (property !== 'limits') throw refusal(unchangeable(group, property));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refusal(`the property 'limits' must be an object of limits`);
  }
  group.update(value as ThrottleLimits);
}

function unchangeable(group: ThrottleGroup, property: string): string {
  return Object.hasOwn(throttleGroupProperties(group), property)
    ? `the property '${property}' of the throttle group '${group.name}' cannot be set any more`
    : `a throttle group has no property '${property}'`;
}

function refusal(text: string): BlockError {
  return new BlockError(Errno.EINVAL, { operation: 'throttle-group', text });
}
