// Words for how a disk is opened. (block.c: bdrv_parse_cache_mode, _discard_flags, _aio)

export interface CacheMode {
  /** Past the page cache. */
  readonly direct: boolean;
  /** Flushes are ignored. */
  readonly noFlush: boolean;
  /** Writes are durable before they complete. */
  readonly writethrough: boolean;
}

const through: CacheMode = { direct: false, noFlush: false, writethrough: true };
const back: CacheMode = { direct: false, noFlush: false, writethrough: false };
const none: CacheMode = { direct: true, noFlush: false, writethrough: false };

const CACHE_MODES: ReadonlyMap<string, CacheMode> = new Map([
  ['none', none],
  ['off', none],
  ['directsync', { direct: true, noFlush: false, writethrough: true }],
  ['writeback', back],
  ['unsafe', { direct: false, noFlush: true, writethrough: false }],
  ['writethrough', through],
]);

const DISCARD_MODES: ReadonlyMap<string, 'ignore' | 'unmap'> = new Map([
  ['off', 'ignore'],
  ['ignore', 'ignore'],
  ['on', 'unmap'],
  ['unmap', 'unmap'],
]);

export const AIO_MODES = ['threads', 'native', 'io_uring'] as const;
export type AioMode = (typeof AIO_MODES)[number];

export const parseCacheMode = (text: string): CacheMode | undefined => CACHE_MODES.get(text);
export const parseDiscardMode = (text: string) => DISCARD_MODES.get(text);
export const parseAioMode = (text: string) => AIO_MODES.find((mode) => mode === text);

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
    cache: through,
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
