import { inspect } from 'node:util';

type Coded<T extends Error> = T & { code: string };

function inspected(value: unknown): string {
  try {
    // customInspect: code of the value's own could do anything.
    return inspect(value, {
      depth: 0,
      breakLength: Number.POSITIVE_INFINITY,
      customInspect: false,
    });
  } catch {
    // A DataView without its memory, or an object that means harm.
    return typeof value;
  }
}

function shown(value: unknown): string {
  const text = inspected(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function coded<T extends Error>(error: T, code: string): Coded<T> {
  return Object.assign(error, { code });
}

/** `name` is of the wrong type. */
export function invalidArgumentType(name: string, expected: string, actual: unknown): TypeError {
  const text = `The "${name}" argument must be ${expected}. Received ${shown(actual)}`;
  return coded(new TypeError(text), 'ERR_INVALID_ARG_TYPE');
}

/** `name` has the right type but makes no sense. */
export function invalidArgumentValue(name: string, expected: string, actual: unknown): TypeError {
  const text = `The "${name}" argument must be ${expected}. Received ${shown(actual)}`;
  return coded(new TypeError(text), 'ERR_INVALID_ARG_VALUE');
}

/** `name` lies outside what can be expressed. */
export function outOfRange(name: string, range: string, actual: unknown): RangeError {
  const text = `The value of "${name}" must be ${range}. Received ${shown(actual)}`;
  return coded(new RangeError(text), 'ERR_OUT_OF_RANGE');
}
