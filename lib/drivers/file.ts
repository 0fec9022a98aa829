import type { DriverDefinition, OptionDefinition } from '../graph/driver-definition.js';

const AIO_CHOICES = ['auto', 'threads', 'io_uring', 'native'];
const LOCKING_CHOICES = ['auto', 'on', 'off'];

export const fileOptions: readonly OptionDefinition[] = [
  { name: 'filename', type: 'string', required: true },
  { name: 'aio', type: 'string', default: 'auto', values: AIO_CHOICES },
  { name: 'locking', type: 'string', default: 'auto', values: LOCKING_CHOICES },
];

/** Linux AIO works only past the page cache (PLUG-11). */
export function checkAio(options: { readonly [name: string]: unknown }): string | undefined {
  const wrong = options.aio === 'native' && options['cache.direct'] !== true;
  return wrong ? 'aio=native needs cache.direct=on' : undefined;
}

/** A regular file (block/file-posix.c: bdrv_file). */
export const file: DriverDefinition = {
  name: 'file',
  options: fileOptions,
  passes: ['cache.direct'],
  children: [],
  check: checkAio,
};
