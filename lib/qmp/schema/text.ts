// What a text on a command line stands for, where a type is wanted.

import type { Schema } from './type.js';

const BOOLEANS: { readonly [text: string]: boolean } = {
  on: true,
  yes: true,
  true: true,
  y: true,
  off: false,
  no: false,
  false: false,
  n: false,
};

const UNITS: { readonly [letter: string]: number } = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
  e: 1024 ** 6,
};

/** '4096', '0x1000', '4k', '1.5M'; undefined for anything else. */
export function sizeOf(text: string): number | undefined {
  const match = /^\s*(?:(0[xX][0-9a-fA-F]+)|(-?\d+(?:\.\d*)?)([bBkKmMgGtTpPeE]?))$/.exec(text);
  if (match === null) return undefined;
  const [, hexadecimal, digits = '', unit = ''] = match;
  if (hexadecimal !== undefined) return Number(hexadecimal);
  return Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1));
}

/** The value that the text stands for; the text itself where it stands for none. */
export function fromText(schema: Schema, given: unknown): unknown {
  if (typeof given !== 'string' || schema.meta !== 'builtin') return given;
  if (schema.name === 'bool') return BOOLEANS[given] ?? given;
  if (schema.name === 'int') return sizeOf(given) ?? given;
  if (schema.name === 'number') return given.trim() === '' ? given : (Number(given) || given);
  return given;
}
