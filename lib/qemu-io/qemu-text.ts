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
    /option '(.*)' is missing; the driver '.*' needs it/s,
    (_, [option = '']) => `A block device must be specified for "${ownName(option)}"`,
  ],
  [
    /either 'driver' or 'file' or 'filename' must be given/,
    () => 'Must specify either driver or file',
  ],
  [/has the unknown protocol '(.*)' \[/s, (_, [protocol]) => `Unknown protocol '${protocol}'`],
  [
    /aio=native needs cache\.direct=on/,
    () => 'aio=native was specified, but it requires cache.direct=on, which was not specified.',
  ],
];

/** The reason without what was tried, where, and the errno's name. */
function plainReason({ message }: BlockError): string {
  return message.replace(/^[^:]*: /, '').replace(/ \[E\w+\]$/, '');
}

export function qemuText(error: BlockError): string {
  for (const [sentence, words] of WORDS) {
    const match = sentence.exec(error.message);
    if (match !== null) return words(error, match.slice(1));
  }
  return plainReason(error);
}
