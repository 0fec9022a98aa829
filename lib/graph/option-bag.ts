// Options while they are being read: flat, with dots, each taken once. What is left over at the end
// is unknown to the driver.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

export type OptionScalar = boolean | number | string | null;
/** Options as users write them: nested, or with dotted keys, or both. Lists are 'name.0' ... */
export type OptionInput =
  | OptionScalar
  | readonly OptionInput[]
  | { readonly [name: string]: OptionInput | undefined };

/** The whole of `options`, or one of them, is wrong. */
export function optionError(path: string, text: string): BlockError {
  const where = path === '' ? '' : `option '${path}' `;
  return new BlockError(Errno.EINVAL, { operation: 'open', text: `${where}${text}` });
}

/** Options of their own, unlike a Buffer, a URL or a Date. */
function isPlainObject(value: unknown): value is { readonly [name: string]: unknown } {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** 'a bigint', 'an array', 'a URL'. */
function nameOfType(value: unknown): string {
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return 'an array';
  return `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
}

function flatten(
  input: { readonly [name: string]: unknown },
  prefix: string,
  path: string,
  values: Map<string, OptionScalar>,
  arrays: Set<string>,
): void {
  for (const [key, value] of Object.entries(input)) {
    const name = prefix + key;
    if (value === undefined) continue;
    if (isPlainObject(value)) {
      flatten(value, `${name}.`, path, values, arrays);
    } else if (Array.isArray(value)) {
      arrays.add(name);
      flatten(Object.fromEntries(value.entries()), `${name}.`, path, values, arrays);
    } else if (values.has(name)) {
      throw optionError(path + name, 'is given twice');
    } else if (value === null || ['boolean', 'number', 'string'].includes(typeof value)) {
      values.set(name, value as OptionScalar);
    } else {
      throw optionError(path + name, `cannot be ${nameOfType(value)}`);
    }
  }
}

export class OptionBag {
  /** Where these options stand in the user's: 'file.' */
  readonly #path: string;
  readonly #values: Map<string, OptionScalar>;
  /** Names that were given as arrays, until they are taken. */
  readonly #arrays: Set<string>;

  private constructor(path: string, values: Map<string, OptionScalar>, arrays: Set<string>) {
    this.#path = path;
    this.#values = values;
    this.#arrays = arrays;
  }

  /** @param path what errors put before the names of options. */
  static from(input: { readonly [name: string]: unknown }, path = ''): OptionBag {
    const values = new Map<string, OptionScalar>();
    const arrays = new Set<string>();
    flatten(input, '', path, values, arrays);
    return new OptionBag(path, values, arrays);
  }

  pathOf(name: string): string {
    return this.#path + name;
  }

  /** What was given by name and is no option of a child, before anything is taken. */
  given(): Readonly<Record<string, boolean | number | string>> {
    const given: Record<string, boolean | number | string> = {};
    for (const [name, value] of this.#values) if (value !== null) given[name] = value;
    return Object.freeze(given);
  }

  /** The same options, and those of `defaults` that are not given. Takes from one take from both. */
  withDefaults(defaults: Readonly<Record<string, boolean | number | string>>): OptionBag {
    for (const [name, value] of Object.entries(defaults)) {
      if (!this.#values.has(name)) this.#values.set(name, value);
    }
    return this;
  }

  /** The same, with all that another has; it gives what this one has not got. */
  withDefaultsOf(defaults: OptionBag): this {
    for (const [name, value] of defaults.#values)
      if (!this.#values.has(name)) this.set(name, value);
    for (const name of defaults.#arrays) this.#arrays.add(name);
    return this;
  }

  copy(): OptionBag {
    return new OptionBag(this.#path, new Map(this.#values), new Set(this.#arrays));
  }

  /** The option, or any below it, is given. */
  has(name: string): boolean {
    return this.#values.has(name) || this.#arrays.has(name) || this.namesBelow(name).length > 0;
  }

  peek(name: string): OptionScalar | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: OptionScalar): void {
    this.#values.set(name, value);
  }

  /** @throws BlockError EINVAL when the option was given as an array. */
  refuseArray(name: string): void {
    if (this.#arrays.has(name)) throw optionError(this.pathOf(name), 'cannot be an array');
  }

  take(name: string): OptionScalar | undefined {
    this.refuseArray(name);
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  /** The options under `name`: a scalar, options of their own, or neither. */
  takeChild(name: string): OptionScalar | OptionBag | undefined {
    const prefix = `${name}.`;
    const scalar = this.take(name);
    const nested = new Map<string, OptionScalar>();
    for (const [key, value] of this.#values) {
      if (!key.startsWith(prefix)) continue;
      nested.set(key.slice(prefix.length), value);
      this.#values.delete(key);
    }
    const arrays = new Set<string>();
    for (const key of this.#arrays) {
      if (!key.startsWith(prefix)) continue;
      arrays.add(key.slice(prefix.length));
      this.#arrays.delete(key);
    }
    if (nested.size === 0) return scalar;
    if (scalar !== undefined) {
      throw optionError(this.pathOf(name), 'names a node, so it cannot have options as well');
    }
    return new OptionBag(this.pathOf(prefix), nested, arrays);
  }

  takeBoolean(name: string): boolean | undefined {
    const value = this.take(name);
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 'on') return true;
    if (value === 'off') return false;
    throw optionError(this.pathOf(name), `must be true or false, not ${JSON.stringify(value)}`);
  }

  takeInteger(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
    const wanted = Number.isInteger(number) ? 'between -(2^53 - 1) and 2^53 - 1' : 'an integer';
    throw optionError(this.pathOf(name), `must be ${wanted}, not ${JSON.stringify(value)}`);
  }

  takeString(name: string, values?: readonly string[]): string | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') {
      throw optionError(this.pathOf(name), `must be a string, not ${JSON.stringify(value)}`);
    }
    if (value.includes('\0')) {
      throw optionError(this.pathOf(name), `cannot contain a zero byte: ${JSON.stringify(value)}`);
    }
    if (values !== undefined && !values.includes(value)) {
      const text = `must be one of ${values.join(', ')}, not '${value}'`;
      throw optionError(this.pathOf(name), text);
    }
    return value;
  }

  /** The names of all options below `name`: 'roles' -> 'roles.file', 'roles.backing'. */
  namesBelow(name: string): string[] {
    return [...this.#values.keys()].filter((key) => key.startsWith(`${name}.`));
  }

  /** The indices of the list `name`, in order; from now on its elements can be taken. */
  takeIndices(name: string): number[] {
    this.#arrays.delete(name);
    const keys = this.namesBelow(name).map((key) => key.slice(name.length + 1).split('.')[0] ?? '');
    const indices = keys.filter((key) => /^\d{1,9}$/.test(key)).map(Number);
    return [...new Set(indices)].sort((a, b) => a - b);
  }

  /** Any option that nobody took. */
  leftover(): string | undefined {
    for (const name of this.#arrays) return this.pathOf(name);
    for (const name of this.#values.keys()) return this.pathOf(name);
    return undefined;
  }
}
