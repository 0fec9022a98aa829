// Throttle groups as objects (QAPI: ThrottleGroupProperties).

import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { NO_LIMITS, type ThrottleLimits } from '../../throttle/limits.js';
import { ThrottleGroup } from '../../throttle/throttle-group.js';
import {
  type ThrottleGroupProperties,
  throttleGroupProperties,
} from '../throttle-group-properties.js';
import type { ObjectType, UserObject } from './object-type.js';

type Limit = keyof ThrottleLimits;

const LIMITS = Object.keys(NO_LIMITS) as Limit[];
const LIMITS_PROPERTY = 'limits';
/** Each limit is a property of its own as well, until the object is made. */
const PREFIX = 'x-';

/** `limits` comes on top of the properties of single limits. */
function limitsIn({ limits, ...single }: Readonly<Record<string, unknown>>): ThrottleLimits {
  const given = LIMITS.map((limit) => [limit, single[`${PREFIX}${limit}`]] as const).filter(
    ([, value]) => value !== undefined,
  );
  return { ...Object.fromEntries(given), ...(limits as ThrottleLimits | undefined) };
}

class ThrottleGroupObject implements UserObject {
  readonly #group: ThrottleGroup;

  constructor(group: ThrottleGroup) {
    this.#group = group;
  }

  delete(): void {
    this.#group.delete();
  }

  get(property: string): unknown {
    return throttleGroupProperties(this.#group)[property as keyof ThrottleGroupProperties];
  }

  set(property: string, value: unknown): void {
    const refuse = (errno: number, text: string): BlockError =>
      new BlockError(errno, { operation: 'qom-set', text });
    if (property !== LIMITS_PROPERTY) {
      const text = `${property} cannot be changed after the group was made; ${LIMITS_PROPERTY} can`;
      throw refuse(Errno.EPERM, text);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw refuse(Errno.EINVAL, `${LIMITS_PROPERTY} must be an object`);
    }
    this.#group.update(value as ThrottleLimits);
  }
}

export const throttleGroupType: ObjectType = {
  name: 'throttle-group',
  properties: [
    { name: LIMITS_PROPERTY, type: 'ThrottleLimits' },
    ...LIMITS.map((limit) => ({ name: `${PREFIX}${limit}`, type: 'int' })),
  ],
  create(id, properties) {
    new ThrottleGroup(id, limitsIn(properties));
  },
  find(id) {
    const group = ThrottleGroup.find(id);
    return group?.isObject === true ? new ThrottleGroupObject(group) : undefined;
  },
  ids: () =>
    ThrottleGroup.all()
      .filter(({ isObject }) => isObject)
      .map(({ name }) => name),
};
