// Checks of what users pass. Only what cannot be expressed natively is refused here: any safe
// integer, negative ones included, reaches the native checks with their errnos.

import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';

/** Bytes. A bigint must have an exact value as a number (2n ** 62n has). */
export type ByteCount = number | bigint;

const INT64_END = 2n ** 63n;

/** What is wrong with a byte count, if anything. */
export function byteCountProblem(name: string, value: unknown): Error | undefined {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return undefined;
    return invalidArgumentValue(name, 'a safe integer', value);
  }
  if (typeof value !== 'bigint') {
    return invalidArgumentType(name, 'of type number or bigint', value);
  }
  if (value < -INT64_END || value >= INT64_END || BigInt(Number(value)) !== value) {
    return outOfRange(name, 'a 64-bit integer that a double can hold exactly', value);
  }
  return undefined;
}

export function bufferProblem(name: string, value: unknown): Error | undefined {
  if (ArrayBuffer.isView(value)) return undefined;
  return invalidArgumentType(name, 'a Buffer, TypedArray or DataView', value);
}

export function buffersProblem(name: string, value: unknown): Error | undefined {
  if (!Array.isArray(value)) {
    return invalidArgumentType(name, 'an array of Buffers, TypedArrays or DataViews', value);
  }
  for (const [index, view] of value.entries()) {
    const problem = bufferProblem(`${name}[${index}]`, view);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export function callbackProblem(value: unknown): TypeError | undefined {
  if (typeof value === 'function') return undefined;
  return invalidArgumentType('callback', 'of type function', value);
}

function isSignal(value: unknown): boolean {
  try {
    return value instanceof AbortSignal && typeof value.aborted === 'boolean';
  } catch {
    return false; // only its looks are those of a signal
  }
}

export function signalProblem(value: unknown): Error | undefined {
  if (isSignal(value)) return undefined;
  return invalidArgumentType('options.signal', 'an AbortSignal', value);
}

/** What code of the caller's own (a getter, a proxy) throws is a problem like any other. */
export function attempt(check: () => Error | undefined): Error | undefined {
  try {
    return check();
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
  }
}

export function optionsProblem(value: unknown): Error | undefined {
  if (typeof value === 'object' && value !== null) return undefined;
  return invalidArgumentType('options', 'an object', value);
}

/** 0 for lost memory, for which typed arrays say 0 but a DataView throws. */
export function byteLengthOf(view: ArrayBufferView): number {
  try {
    return view.byteLength;
  } catch {
    return 0;
  }
}
