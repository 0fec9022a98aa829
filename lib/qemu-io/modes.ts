// How a disk is opened, as the options of qemu-io say.

import {
  type AioMode,
  type CacheMode,
  parseAioMode,
  parseCacheMode,
  parseDiscardMode,
  WRITETHROUGH,
} from '../options/open-words.js';

/** How qemu-io opens a disk, as its options say. */
export interface OpenModes {
  readOnly: boolean;
  cache: CacheMode;
  discard: 'ignore' | 'unmap';
  aio: AioMode | undefined;
  /** Writes go to a temporary file. */
  snapshot: boolean;
  copyOnRead: boolean;
  forceShare: boolean;
}

/** Without options: to be written, durably, through the page cache. */
export function usualModes(): OpenModes {
  return {
    readOnly: false,
    cache: WRITETHROUGH,
    discard: 'unmap',
    aio: undefined,
    snapshot: false,
    copyOnRead: false,
    forceShare: false,
  };
}

/** Changes the modes as an option without argument says that has the same letter everywhere. */
export function applySwitch(modes: OpenModes, letter: string): boolean {
  if (letter === 's') modes.snapshot = true;
  else if (letter === 'n') modes.cache = { ...modes.cache, direct: true, writethrough: false };
  else if (letter === 'C') modes.copyOnRead = true;
  else if (letter === 'r') modes.readOnly = true;
  else if (letter === 'k') modes.aio = 'native';
  else if (letter === 'U') modes.forceShare = true;
  else return false;
  return true;
}

/** The same for -t, -d and -i; gives a sentence when the argument is wrong. */
export function applyMode(modes: OpenModes, letter: string, text: string): string | undefined {
  if (letter === 't') {
    const cache = parseCacheMode(text);
    if (cache === undefined) return `Invalid cache option: ${text}`;
    modes.cache = cache;
  } else if (letter === 'd') {
    const discard = parseDiscardMode(text);
    if (discard === undefined) return `Invalid discard option: ${text}`;
    modes.discard = discard;
  } else if (letter === 'i') {
    const aio = parseAioMode(text);
    if (aio === undefined) return `Invalid aio option: ${text}`;
    modes.aio = aio;
  }
  return undefined;
}
