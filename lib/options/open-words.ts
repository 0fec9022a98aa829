// Words for how a disk is opened, the same in all programs of QEMU. (block.c: bdrv_parse_cache_mode,
// _discard_flags, _aio)

export interface CacheMode {
  /** Past the page cache. */
  readonly direct: boolean;
  /** Flushes are ignored. */
  readonly noFlush: boolean;
  /** Writes are durable before they complete. */
  readonly writethrough: boolean;
}

export const WRITETHROUGH: CacheMode = { direct: false, noFlush: false, writethrough: true };
const back: CacheMode = { direct: false, noFlush: false, writethrough: false };
const none: CacheMode = { direct: true, noFlush: false, writethrough: false };

const CACHE_MODES: ReadonlyMap<string, CacheMode> = new Map([
  ['none', none],
  ['off', none],
  ['directsync', { direct: true, noFlush: false, writethrough: true }],
  ['writeback', back],
  ['unsafe', { direct: false, noFlush: true, writethrough: false }],
  ['writethrough', WRITETHROUGH],
]);

const DISCARD_MODES: ReadonlyMap<string, 'ignore' | 'unmap'> = new Map([
  ['off', 'ignore'],
  ['ignore', 'ignore'],
  ['on', 'unmap'],
  ['unmap', 'unmap'],
]);

export const AIO_MODES = ['threads', 'native', 'io_uring'] as const;
export type AioMode = (typeof AIO_MODES)[number];

export const CACHE_MODE_NAMES: readonly string[] = [...CACHE_MODES.keys()];

export const parseCacheMode = (text: string): CacheMode | undefined => CACHE_MODES.get(text);
export const parseDiscardMode = (text: string) => DISCARD_MODES.get(text);
export const parseAioMode = (text: string) => AIO_MODES.find((mode) => mode === text);
