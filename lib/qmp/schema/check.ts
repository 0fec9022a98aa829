// Values against their types.

import { QmpError } from '../errors.js';
import { fromText } from './text.js';
import type { ObjectSchema, Schema } from './type.js';

/**
 * Where values come from: 'json' has types of its own; 'text' has none, as on a command line, and
 * strings are turned into what is wanted.
 */
export type ValueForm = 'json' | 'text';

type Visit = { readonly form: ValueForm; readonly path: string };

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return `the number ${value}`;
  return typeof value === 'string' ? `the string '${value.slice(0, 60)}'` : `a ${typeof value}`;
}

function wrong({ path }: Visit, expected: string, value: unknown): QmpError {
  const where = path === '' ? '' : `'${path}': `;
  return new QmpError(`${where}expected ${expected}, not ${kindOf(value)}`);
}

function inside({ form, path }: Visit, name: string): Visit {
  return { form, path: path === '' ? name : `${path}.${name}` };
}

export function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function integerIn(value: unknown, min: number, max: number, visit: Visit): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw wrong(visit, 'an integer', value);
  if (value >= min && value <= max) return value;
  throw wrong(visit, `an integer from ${min} to ${max}`, value);
}

const BUILTINS = {
  str: ['a string', (value: unknown) => typeof value === 'string'],
  bool: ['true or false', (value: unknown) => typeof value === 'boolean'],
  number: ['a number', (value: unknown) => typeof value === 'number'],
  null: ['null', (value: unknown) => value === null],
  any: ['a value', (value: unknown) => value !== undefined],
} as const;

/**
 * The value, with numbers and booleans out of their texts where it has the form 'text'.
 *
 * @throws QmpError that names the first member that is wrong.
 */
export function check(schema: Schema, given: unknown, visit: Visit): unknown {
  const value = visit.form === 'text' ? fromText(schema, given) : given;
  switch (schema.meta) {
    case 'builtin': {
      if (schema.name === 'int') {
        const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = schema;
        return integerIn(value, min, max, visit);
      }
      const [expected, test] = BUILTINS[schema.name];
      if (test(value)) return value;
      throw wrong(visit, expected, value);
    }
    case 'enum':
      if (typeof value !== 'string') throw wrong(visit, 'a string', value);
      if (schema.values.includes(value)) return value;
      throw wrong(visit, `one of ${schema.values.join(', ')}`, value);
    case 'array': {
      if (!Array.isArray(value)) throw wrong(visit, 'an array', value);
      const of = schema.of();
      return value.map((element, index) => check(of, element, inside(visit, String(index))));
    }
    case 'alternate':
      return checkAlternate(schema.of(), value, visit);
    case 'object':
      return checkObject(schema, value, visit);
  }
}

function isOfKind(schema: Schema, value: unknown): boolean {
  switch (schema.meta) {
    case 'builtin':
      return schema.name === 'int' ? typeof value === 'number' : BUILTINS[schema.name][1](value);
    case 'enum':
      return typeof value === 'string';
    case 'array':
      return Array.isArray(value);
    case 'object':
    case 'alternate':
      return isObject(value);
  }
}

/** The kind of JSON value decides; of a text it is a string, or an object. */
function checkAlternate(of: readonly Schema[], value: unknown, visit: Visit): unknown {
  const fits = of.find((schema) => isOfKind(schema, value));
  if (fits !== undefined) return check(fits, value, visit);
  throw wrong(visit, 'a value of another type', value);
}

/** The variant that the value's own tag names. */
function variantOf(
  { tag, members, variants }: ObjectSchema,
  value: { readonly [name: string]: unknown },
  visit: Visit,
): ObjectSchema | undefined {
  const type = tag === undefined ? undefined : members()[tag];
  if (tag === undefined || type === undefined || !Object.hasOwn(value, tag)) return undefined;
  return variants?.()[String(check(type.schema, value[tag], inside(visit, tag)))];
}

function checkObject(schema: ObjectSchema, value: unknown, visit: Visit): unknown {
  if (!isObject(value)) throw wrong(visit, 'an object', value);
  const variant = variantOf(schema, value, visit);
  const members = { ...schema.members(), ...variant?.members() };
  const checked: [string, unknown][] = [];
  for (const [name, { schema: of, optional }] of Object.entries(members)) {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (member !== undefined) checked.push([name, check(of, member, inside(visit, name))]);
    else if (!optional) throw new QmpError(`'${inside(visit, name).path}' is missing`);
  }
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined || Object.hasOwn(members, name)) continue;
    if (variant?.open === true || schema.open === true) checked.push([name, member]);
    else throw new QmpError(`'${inside(visit, name).path}' is unexpected`);
  }
  return Object.fromEntries(checked);
}
