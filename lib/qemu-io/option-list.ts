// Lists of options as QEMU's command lines have them: 'driver=raw,file.filename=disk.img'.
// (util/qemu-option.c: qemu_opts_parse)

import type { OptionScalar } from '../graph/option-bag.js';
import { parseSize } from './numbers.js';

/** Options in the order in which they stand. */
export type OptionList = ReadonlyMap<string, string>;

/** Hears of what is on its way out: a warning, and what it begins with is left out. */
export type Warn = (lines: readonly string[]) => void;

/** Parts at single commas; two stand for one. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at += 1) {
    const isComma = text[at] === ',';
    if (isComma && text[at + 1] !== ',') {
      parts.push(part);
      part = '';
      continue;
    }
    if (isComma) at += 1;
    part += text[at];
  }
  return part === '' ? parts : [...parts, part];
}

/** 'cache' and 'nocache' are short for cache=on and cache=off. */
function shortForm(word: string, warn: Warn): [name: string, value: string] {
  const isNegative = word.startsWith('no');
  const name = isNegative ? word.slice(2) : word;
  const value = isNegative ? 'off' : 'on';
  warn([`short-form boolean option '${word}' deprecated`, `Please use ${name}=${value} instead`]);
  return [name, value];
}

/** The last of several values counts, as it does for QEMU. */
export function parseOptionList(text: string, warn: Warn): OptionList {
  const options = new Map<string, string>();
  for (const part of splitList(text)) {
    const equals = part.indexOf('=');
    if (equals >= 0) options.set(part.slice(0, equals), part.slice(equals + 1));
    else options.set(...shortForm(part, warn));
  }
  return options;
}

/** Options whose values may have suffixes, by the last part of their names. */
const SIZES: ReadonlySet<string> = new Set([
  'size',
  'offset',
  'align',
  'max-transfer',
  'opt-write-zero',
  'max-write-zero',
  'opt-discard',
  'max-discard',
]);

/** '1M' -> 1048576 where a size is expected. */
function plainValue(name: string, value: string): OptionScalar {
  if (!SIZES.has(name.slice(name.lastIndexOf('.') + 1))) return value;
  const size = parseSize(value);
  return size < 0n ? value : Number(size);
}

/** The same with values as the graph takes them. */
export function plainOptions(list: OptionList): Record<string, OptionScalar> {
  return Object.fromEntries([...list].map(([name, value]) => [name, plainValue(name, value)]));
}
