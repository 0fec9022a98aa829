// Errors in QEMU's words, where scripts look for them; the others stay in ours.

import type { BlockError } from '../errors/block-error.js';
import { findDriver } from '../graph/driver-definition.js';
import { strerror } from './strerror.js';

type Words = (error: BlockError, parts: readonly string[]) => string;

/** The option's name without those of the children that lead to its node. */
function ownName(option: string): string {
  return option.replace(/^(?:(?:file|image|raw|log|backing)\.)+(?=.)/, '');
}

function unknownOption(option: string, driver: string): string {
  if (findDriver(driver)?.protocol === undefined) {
    return `Block format '${driver}' does not support the option '${ownName(option)}'`;
  }
  return `Block protocol '${driver}' doesn't support the option '${ownName(option)}'`;
}

function missingOption(option: string, driver: string): string {
  const name = ownName(option);
  if (name === 'filename') return `The '${driver}' block driver requires a file name`;
  return `A block device must be specified for "${name}"`;
}

/** By our sentence, whose parts in brackets go to the words. */
const WORDS: readonly (readonly [sentence: RegExp, words: Words])[] = [
  [
    /: cannot open '(.*)': /s,
    ({ errno }, [name]) => `Could not open '${name}': ${strerror(errno)}`,
  ],
  [/: '(.*)' is a directory; /s, (_, [name]) => `Could not open '${name}': Is a directory`],
  [/'file' needs a regular file and '/, () => "'file' driver requires a regular file"],
  [
    /: it is read-only, and a user needs to write/,
    ({ node }) => `Read-only block node '${node}' cannot support read-write users`,
  ],
  [/: cannot resize '.*': /s, ({ errno }) => `Could not resize file: ${strerror(errno)}`],
  [/a raw node with a size option cannot be resized/, () => 'Cannot resize fixed-size raw disks'],
  [/: the driver '.*' cannot resize/, () => 'Image format driver does not support resize'],
  [
    /option '(.*)' is unknown to the driver '(.*)'/s,
    (_, [option = '', driver = '']) => unknownOption(option, driver),
  ],
  [
    /option '(.*)' is missing; the driver '(.*)' needs it/s,
    (_, [option = '', driver = '']) => missingOption(option, driver),
  ],
  [/names the unknown driver '(.*)'; known: /s, (_, [driver]) => `Unknown driver '${driver}'`],
  [
    /either 'driver' or 'file' or 'filename' must be given/,
    () => 'Must specify either driver or file',
  ],
  [
    /there is no node named '(.*)', nor a device/s,
    (_, [name]) => `Cannot find device='${name}' nor node-name='${name}'`,
  ],
  [/has the unknown protocol '(.*)' \[/s, (_, [protocol]) => `Unknown protocol '${protocol}'`],
  [/option 'discard' must be one of /, () => 'Invalid discard option'],
  [
    /option '(.*)' must be true or false/s,
    (_, [option]) => `Parameter '${option}' expects 'on' or 'off'`,
  ],
  [
    /align is (-?\d+); it must be a power/,
    (_, [align]) => `Cannot meet constraints with align ${align}`,
  ],
  [/: size is .*multiple of 512/, () => 'Specified size is not multiple of 512'],
  [
    /: offset is (\d+); it must be between 0 and the length of the file, (\d+)/,
    (_, [offset, length]) =>
      `Offset (${offset}) cannot be greater than size of the containing file (${length})`,
  ],
  [
    /aio=native needs cache\.direct=on/,
    () => 'aio=native was specified, but it requires cache.direct=on, which was not specified.',
  ],
];

/** The same of a reopen; they come first. */
const REOPEN_WORDS: typeof WORDS = [
  [
    /option '(.*)' (?:is unknown to the driver|cannot be changed from) '/s,
    (_, [option = '']) => `Cannot change the option '${ownName(option)}'`,
  ],
  [
    /cannot be set while node '(.*)' copies on read/s,
    (_, [node]) => `Can't set node '${node}' to r/o with copy-on-read enabled`,
  ],
];

/** The reason without what was tried, where, and the errno's name. */
function plainReason({ message }: BlockError): string {
  return message.replace(/^[^:]*: /, '').replace(/ \[E\w+\]$/, '');
}

export function qemuText(error: BlockError, of: 'reopen' | 'other' = 'other'): string {
  for (const [sentence, words] of of === 'reopen' ? [...REOPEN_WORDS, ...WORDS] : WORDS) {
    const match = sentence.exec(error.message);
    if (match !== null) return words(error, match.slice(1));
  }
  return plainReason(error);
}
