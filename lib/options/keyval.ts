// Options as QEMU's newer command lines have them: 'driver=file,cache.direct=on,list.0=a'
// (util/keyval.c). All values are texts; types come with the check against a schema.

import { OptionsError, splitAtCommas } from './comma-list.js';

export type KeyvalValue = string | readonly KeyvalValue[] | KeyvalObject;
export interface KeyvalObject {
  readonly [name: string]: KeyvalValue;
}

/** Characters of one part of a key. */
const LONGEST_PART = 127;
const PART = /^[A-Za-z0-9_-]+$/;

type Draft = Map<string, Draft | string>;

function partsOf(key: string): string[] {
  const parts = key.split('.');
  for (const part of parts) {
    if (PART.test(part) && part.length <= LONGEST_PART) continue;
    throw new OptionsError(`'${key}' is no key: its parts have letters, digits, '-' and '_'`);
  }
  return parts;
}

function put(into: Draft, key: string, value: string): void {
  const parts = partsOf(key);
  const last = parts.pop() as string;
  let place = into;
  for (const part of parts) {
    const below = place.get(part) ?? new Map<string, Draft | string>();
    if (typeof below === 'string')
      throw new OptionsError(`'${part}' in '${key}' has a value already`);
    place.set(part, below);
    place = below;
  }
  if (place.get(last) instanceof Map) throw new OptionsError(`'${key}' has options below it`);
  place.set(last, value);
}

const INDEX = /^(0|[1-9][0-9]{0,8})$/;

/** Keys that are all numbers make a list, which must not have gaps. */
function finished(draft: Draft, path: string): KeyvalValue {
  const entries = [...draft].map(
    ([name, value]) =>
      [name, typeof value === 'string' ? value : finished(value, `${path}${name}.`)] as const,
  );
  const indices = entries.filter(([name]) => INDEX.test(name)).length;
  if (path === '' || indices === 0) return Object.fromEntries(entries);
  if (indices < entries.length) {
    throw new OptionsError(`'${path}' has numbers and names below it`);
  }
  const list = new Map(entries.map(([name, value]) => [Number(name), value]));
  return Array.from({ length: list.size }, (_, index) => {
    const value = list.get(index);
    if (value === undefined) throw new OptionsError(`'${path}${index}' is missing`);
    return value;
  });
}

/**
 * @param implied the key of a first value without one: 'file' in 'file,node-name=a'.
 * @throws OptionsError
 */
export function parseKeyval(text: string, implied?: string): KeyvalObject {
  const draft: Draft = new Map();
  for (const [index, part] of splitAtCommas(text).entries()) {
    const at = part.indexOf('=');
    if (at > 0) put(draft, part.slice(0, at), part.slice(at + 1));
    else if (at < 0 && index === 0 && implied !== undefined && part !== '')
      put(draft, implied, part);
    else throw new OptionsError(`'${part}' has no key, as in key=value`);
  }
  return finished(draft, '') as KeyvalObject;
}
