// Lists of options as QEMU's command lines have them: 'driver=raw,file.filename=disk.img'.
// (util/qemu-option.c: qemu_opts_parse)

/** Options in the order in which they stand. */
export type OptionList = ReadonlyMap<string, string>;

export interface ListRules {
  /** The option that a first word without '=' is the value of. */
  readonly implied?: string;
  /** Hears of what is on its way out. */
  readonly warn: (text: string) => void;
}

/** Parts at single commas; two stand for one. */
function splitList(text: string): string[] {
  const parts = [''];
  for (let at = 0; at < text.length; at += 1) {
    const isComma = text[at] === ',';
    if (isComma && text[at + 1] !== ',') {
      parts.push('');
      continue;
    }
    if (isComma) at += 1;
    parts[parts.length - 1] += text[at];
  }
  return parts.at(-1) === '' ? parts.slice(0, -1) : parts;
}

/** 'cache' and 'nocache' are short for cache=on and cache=off. */
function shortForm(word: string, { warn }: ListRules): [name: string, value: string] {
  const isNegative = word.startsWith('no') && word !== 'node-name';
  const name = isNegative ? word.slice(2) : word;
  const value = isNegative ? 'off' : 'on';
  warn(`short-form boolean option '${word}' deprecated`);
  return [name, value];
}

/** The last of several values counts, as it does for QEMU. */
export function parseOptionList(text: string, rules: ListRules): OptionList {
  const options = new Map<string, string>();
  for (const [index, part] of splitList(text).entries()) {
    const equals = part.indexOf('=');
    if (equals >= 0) options.set(part.slice(0, equals), part.slice(equals + 1));
    else if (index === 0 && rules.implied !== undefined) options.set(rules.implied, part);
    else options.set(...shortForm(part, rules));
  }
  return options;
}
