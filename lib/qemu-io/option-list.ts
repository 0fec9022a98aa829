// Lists of options as QEMU's command lines have them: 'driver=raw,file.filename=disk.img'.
// What is deprecated there is warned of.

import type { OptionScalar } from '../graph/option-bag.js';
import { type OptionList, parseQemuOpts } from '../options/qemu-opts.js';
import { parseSize } from './numbers.js';

export type { OptionList };

/** Hears of what is on its way out: a warning, and what it begins with is left out. */
export type Warn = (lines: readonly string[]) => void;

export function parseOptionList(text: string, warn: Warn): OptionList {
  return parseQemuOpts(text, {
    shortForm: (word, name, value) =>
      warn([
        `short-form boolean option '${word}' deprecated`,
        `Please use ${name}=${value} instead`,
      ]),
  });
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
