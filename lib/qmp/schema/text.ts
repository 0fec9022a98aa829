// What a text on a command line stands for, where a type is wanted.

import { sizeOf } from '../../options/size.js';
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

/** The value that the text stands for; the text itself where it stands for none. */
export function fromText(schema: Schema, given: unknown): unknown {
  if (typeof given !== 'string' || schema.meta !== 'builtin') return given;
  if (schema.name === 'bool') return BOOLEANS[given] ?? given;
  if (schema.name === 'int') return sizeOf(given) ?? given;
  if (schema.name === 'number') return given.trim() === '' ? given : Number(given) || given;
  return given;
}
