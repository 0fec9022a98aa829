import type { DriverDefinition, OptionDefinition } from '../graph/driver-definition.js';
import { withoutPrefix } from '../graph/filename.js';

const AIO_CHOICES = ['auto', 'threads', 'io_uring', 'native'];
const LOCKING_CHOICES = ['auto', 'on', 'off'];

export const fileOptions: readonly OptionDefinition[] = [
  { name: 'filename', type: 'string', required: true },
  { name: 'aio', type: 'string', default: 'auto', values: AIO_CHOICES },
  { name: 'locking', type: 'string', default: 'auto', values: LOCKING_CHOICES },
  { name: 'drop-cache', type: 'boolean', default: true },
  { name: 'x-check-cache-dropped', type: 'boolean', default: false },
];

/** What a reopen can change (REOP-18). */
export const fileReopens: readonly string[] = ['drop-cache', 'x-check-cache-dropped'];

/** Linux AIO works only past the page cache (PLUG-11). */
export function checkAio(options: { readonly [name: string]: unknown }): string | undefined {
  const wrong = options.aio === 'native' && options['cache.direct'] !== true;
  return wrong ? 'aio=native needs cache.direct=on' : undefined;
}

/** A regular file (block/file-posix.c: bdrv_file). */
export const file: DriverDefinition = {
  name: 'file',
  // 'x-temporary': the file loses its name when it is open (FILE-23).
  options: [...fileOptions, { name: 'x-temporary', type: 'boolean' }],
  creates: true,
  passes: ['cache.direct', 'auto-read-only'],
  reopens: fileReopens,
  autoReadOnly: true,
  describesImage: true,
  protocol: (filename) => ({ filename: withoutPrefix(filename, 'file') }),
  children: [],
  check: checkAio,
};
