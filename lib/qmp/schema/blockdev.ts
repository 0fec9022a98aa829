// QAPI's BlockdevOptions, from what the drivers say of themselves.

import {
  type ChildDefinition,
  type DriverDefinition,
  driverNames,
  drivers,
  type OptionDefinition,
} from '../../graph/driver-definition.js';
import type { BlockdevOptions } from '../../graph/options.js';
import {
  alternate,
  any,
  array,
  bool,
  enumeration,
  int64,
  type Members,
  nothing,
  object,
  optional,
  str,
  type Type,
  union,
  type Variant,
} from './type.js';

const cache = object('BlockdevCacheOptions', {
  direct: optional(bool),
  'no-flush': optional(bool),
});

/** What every node can be given. */
const common: Members = {
  'node-name': optional(str),
  discard: optional(enumeration('BlockdevDiscardOptions', ['ignore', 'unmap'])),
  cache: optional(cache),
  'read-only': optional(bool),
  'auto-read-only': optional(bool),
  'force-share': optional(bool),
  'detect-zeroes': optional(enumeration('BlockdevDetectZeroesOptions', ['off', 'on', 'unmap'])),
};

const SCALARS = { boolean: bool, integer: int64, string: str } as const;

/** An option without its children: 'a.b' is an object of its own. */
function typeOf({ name, type, values, list, group }: OptionDefinition): Type<unknown> {
  const scalar: Type<unknown> =
    values === undefined ? SCALARS[type] : enumeration(`${name}-values`, values);
  if (group === true) return any;
  if (list === undefined) return scalar;
  if (list === true) return array(scalar);
  return array(object(`${name}-element`, membersOf(list)));
}

function membersOf(options: readonly OptionDefinition[]): Members {
  return Object.fromEntries(
    options.map((option) => {
      const type = typeOf(option);
      return [option.name, option.required === true ? type : optional(type)];
    }),
  );
}

function childType({ name, required }: ChildDefinition): Type<unknown> {
  if (required) return blockdevRef;
  return optional(name === 'backing' ? blockdevRefOrNull : blockdevRef);
}

function variantOf(driver: DriverDefinition): Variant {
  const children = driver.children.map((child) => [child.name, childType(child)] as const);
  return {
    members: { ...membersOf(driver.options), ...Object.fromEntries(children) },
    open: driver.moreChildren !== undefined,
  };
}

/** Drivers of every kind, those of the user included. */
export const blockdevOptions: Type<BlockdevOptions> = union(
  'BlockdevOptions',
  'driver',
  () => ({ driver: enumeration('BlockdevDriver', driverNames()), ...common }),
  () => Object.fromEntries([...drivers()].map((driver) => [driver.name, variantOf(driver)])),
);

/** A node's name, or options for a new one. */
const blockdevRef: Type<unknown> = alternate('BlockdevRef', () => [blockdevOptions, str]);
const blockdevRefOrNull: Type<unknown> = alternate('BlockdevRefOrNull', () => [
  blockdevOptions,
  str,
  nothing,
]);
