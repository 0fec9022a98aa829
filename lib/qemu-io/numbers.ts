// Numbers as qemu-io reads them: exact, in 64 bits, and by C's rules for what is no number.

import { constants } from 'node:os';
import { Errno } from '../errors/errno.js';

/** A 64-bit number, or a negative errno. */
export type Parsed = bigint;

export const EINVAL = BigInt(Errno.EINVAL);
export const ERANGE = BigInt(-constants.errno.ERANGE);

const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const UNIT = 1024n;
const SUFFIXES = 'bkmgtpe';

/** isspace() of the C locale. */
const SPACES = '[ \\t\\n\\v\\f\\r]*';
const DECIMAL = new RegExp(`^${SPACES}([+-]?)([0-9]+)`);
const HEXADECIMAL = new RegExp(`^${SPACES}[+-]?0[xX]([0-9a-fA-F]+)`);
const FRACTION = /^\.([0-9]+)([eE][+-]?[0-9]+)?/;

/** 1 for 'b' and 'B', 1024 for 'k' ...; undefined: it is no suffix. */
function multiplier(character: string | undefined): bigint | undefined {
  if (character === undefined) return undefined;
  const power = SUFFIXES.indexOf(character.toLowerCase());
  return power < 0 ? undefined : UNIT ** BigInt(power);
}

/** Whatever is left over makes the whole no number, even where it is too large as well. */
function failure(errno: bigint, rest: string): Parsed {
  return rest === '' ? errno : EINVAL;
}

/** Behind '0x' a suffix is on its way out; B and E are digits there. */
const OLD_SUFFIX = 'Using a multiplier suffix on hex numbers is deprecated: ';

interface Integral {
  readonly value: bigint;
  readonly rest: string;
  readonly isHexadecimal: boolean;
}

/** The digits before a fraction or suffix, or a negative errno. */
function parseIntegral(text: string): Integral | bigint {
  const decimal = DECIMAL.exec(text);
  if (decimal === null) return EINVAL;
  const [whole, sign, digits = ''] = decimal;
  const value = BigInt(digits);
  const rest = text.slice(whole.length);
  if (value > UINT64_MAX) return failure(ERANGE, rest);
  if (sign === '-') return EINVAL;
  if (value !== 0n || !/^[xX]/.test(rest)) return { value, rest, isHexadecimal: false };
  const [all, hexadecimal] = HEXADECIMAL.exec(text) ?? [];
  if (all === undefined) return EINVAL;
  const left = text.slice(all.length);
  const large = BigInt(`0x${hexadecimal}`);
  if (large > UINT64_MAX) return failure(ERANGE, left);
  return left.startsWith('.') ? EINVAL : { value: large, rest: left, isHexadecimal: true };
}

/** What stands behind the integral part: the fraction in units of 2^-64, and the rest. */
function splitFraction(text: string): { fraction: bigint; rest: string } | undefined {
  if (!text.startsWith('.')) return { fraction: 0n, rest: text };
  const match = FRACTION.exec(text);
  if (match === null) return { fraction: 0n, rest: text.slice(1) };
  const [whole, digits, exponent] = match;
  if (exponent !== undefined) return undefined;
  const fraction = BigInt(Math.trunc(Number(`0.${digits}`) * 2 ** 64)) & UINT64_MAX;
  return { fraction, rest: text.slice(whole.length) };
}

/**
 * '64k' -> 65536n: bytes, decimal or hexadecimal; they may have a suffix of B, K, M, G, T, P or E
 * (powers of 1024), and decimal ones then a fraction, which is rounded to the nearest byte. -EINVAL:
 * it is no number. -ERANGE: it has more than 63 bits. (util/cutils.c: qemu_strtosz)
 *
 * @param warn hears of what is on its way out.
 */
export function parseSize(text: string, warn: (text: string) => void = () => undefined): Parsed {
  const integral = parseIntegral(text);
  if (typeof integral === 'bigint') return integral;
  const split = splitFraction(integral.rest);
  if (split === undefined) return EINVAL;
  const { fraction } = split;
  const factor = multiplier(split.rest[0]);
  if (factor !== undefined && integral.isHexadecimal) warn(OLD_SUFFIX + text);
  const rest = factor === undefined ? split.rest : split.rest.slice(1);
  if ((factor ?? 1n) === 1n && fraction !== 0n) return EINVAL;
  const scaled = ((integral.value << 64n) | fraction) * (factor ?? 1n);
  const bytes = (scaled + (1n << 63n)) >> 64n;
  if (bytes > INT64_MAX) return failure(ERANGE, rest);
  return rest === '' ? bytes : EINVAL;
}

function digitsOf(text: string): { base: string; digits: string; length: number } | undefined {
  const hexadecimal = /^0[xX]([0-9a-fA-F]+)/.exec(text);
  if (hexadecimal !== null) {
    return { base: '0x', digits: hexadecimal[1] ?? '', length: hexadecimal[0].length };
  }
  const octal = /^0[0-7]*/.exec(text);
  if (octal !== null) return { base: '0o', digits: octal[0], length: octal[0].length };
  const decimal = /^[0-9]+/.exec(text);
  if (decimal === null) return undefined;
  return { base: '', digits: decimal[0], length: decimal[0].length };
}

/**
 * All of the text as C's strtol() with base 0 reads it: '0x10' is hexadecimal, '010' octal. What has
 * more than 64 bits is the nearest that has not. undefined: something is left over.
 */
export function parseInteger(text: string): bigint | undefined {
  const [head = ''] = new RegExp(`^${SPACES}[+-]?`).exec(text) ?? [];
  const found = digitsOf(text.slice(head.length));
  if (found === undefined) return text === '' ? 0n : undefined;
  if (head.length + found.length !== text.length) return undefined;
  const magnitude = BigInt(found.base + found.digits);
  const value = head.endsWith('-') ? -magnitude : magnitude;
  if (value > INT64_MAX) return INT64_MAX;
  return value < INT64_MIN ? INT64_MIN : value;
}

/** What a command says about a number that is none. */
export function sizeError(errno: Parsed, text: string): string {
  if (errno === EINVAL) {
    return `Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- ${text}`;
  }
  return `Parsing error: argument too large -- ${text}`;
}
