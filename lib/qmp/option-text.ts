// Options of a command line that a schema describes: 'driver=null-co,size=1M' or JSON.

import { parseKeyval } from '../options/keyval.js';
import { QmpError } from './errors.js';
import { type JsonInput, JsonReader } from './json/reader.js';
import { check } from './schema/check.js';
import type { Type } from './schema/type.js';

/**
 * @param implied the key of a first value without one.
 * @throws QmpError, OptionsError
 */
export function parseOptionText<T>(text: string, type: Type<T>, implied?: string): T {
  const isJson = text.startsWith('{');
  const value = isJson ? parseJson(text) : parseKeyval(text, implied);
  return check(type.schema, value, { form: isJson ? 'json' : 'text', path: '' }) as T;
}

function parseJson(text: string): unknown {
  const inputs: JsonInput[] = [];
  const reader = new JsonReader((input) => inputs.push(input));
  reader.push(Buffer.from(text));
  reader.end();
  const [input, next] = inputs;
  if (input !== undefined && 'error' in input) throw new QmpError(input.error.message);
  if (input === undefined || next !== undefined) throw new QmpError('one JSON object is expected');
  return input.value;
}
