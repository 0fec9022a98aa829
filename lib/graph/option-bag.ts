// Options while they are being read: flat, with dots, each taken once. What is left over at the end
// is unknown to the driver.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

export type OptionScalar = boolean | number | string | null;
/** Options as users write them: nested, or with dotted keys, or both. */
export type OptionInput = OptionScalar | { readonly [name: string]: OptionInput | undefined };

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
): void {
  for (const [key, value] of Object.entries(input)) {
    const name = prefix + key;
    if (value === undefined) continue;
    if (isPlainObject(value)) {
      flatten(value, `${name}.`, path, values);
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

  private constructor(path: string, values: Map<string, OptionScalar>) {
    this.#path = path;
    this.#values = values;
  }

  static from(input: { readonly [name: string]: unknown }): OptionBag {
    const values = new Map<string, OptionScalar>();
    flatten(input, '', '', values);
    return new OptionBag('', values);
  }

  pathOf(name: string): string {
    return this.#path + name;
  }

  take(name: string): OptionScalar | undefined {
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
    if (nested.size === 0) return scalar;
    if (scalar !== undefined) {
      throw optionError(this.pathOf(name), 'names a node, so it cannot have options as well');
    }
    return new OptionBag(this.pathOf(prefix), nested);
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

  /** Any option that nobody took. */
  leftover(): string | undefined {
    for (const name of this.#values.keys()) return this.pathOf(name);
    return undefined;
  }
}
