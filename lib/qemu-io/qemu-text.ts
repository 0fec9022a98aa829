// Errors in QEMU's words, where scripts look for them; the others stay in ours.

import type { BlockError } from '../errors/block-error.js';
import { strerror } from './strerror.js';

type Words = (error: BlockError, parts: readonly string[]) => string;

/** By our sentence, whose parts in brackets go to the words. */
const WORDS: readonly (readonly [sentence: RegExp, words: Words])[] = [
  [/: cannot open '(.*)': /, ({ errno }, [name]) => `Could not open '${name}': ${strerror(errno)}`],
  [/: '(.*)' is a directory; /, (_error, [name]) => `Could not open '${name}': Is a directory`],
  [/'file' needs a regular file and '/, () => "'file' driver requires a regular file"],
  [/: the driver '.*' cannot resize/, () => 'Image format driver does not support resize'],
  [/: the node is read-only/, () => 'Image is read-only'],
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
