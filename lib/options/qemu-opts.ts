// Options as QEMU's older command lines have them: 'file=disk.img,id=d0,readonly' (util/qemu-option.c:
// qemu_opts_parse).

import { splitAtCommas } from './comma-list.js';

/** Options in the order in which they stand. */
export type OptionList = ReadonlyMap<string, string>;

export interface QemuOptsRules {
  /** The key of a first value without one. */
  readonly implied?: string;
  /** Hears of names without a value. */
  readonly shortForm?: (word: string, name: string, value: 'on' | 'off') => void;
}

/** Of a name that is given twice the last value counts; without one it is on, after 'no' off. */
export function parseQemuOpts(text: string, rules: QemuOptsRules = {}): Map<string, string> {
  const { implied, shortForm } = rules;
  const options = new Map<string, string>();
  for (const [index, part] of splitAtCommas(text).entries()) {
    const equals = part.indexOf('=');
    if (equals >= 0) {
      options.set(part.slice(0, equals), part.slice(equals + 1));
    } else if (index === 0 && implied !== undefined) {
      options.set(implied, part);
    } else {
      const isNegative = part.startsWith('no');
      const [name, value] = isNegative ? [part.slice(2), 'off' as const] : [part, 'on' as const];
      shortForm?.(part, name, value);
      options.set(name, value);
    }
  }
  return options;
}
