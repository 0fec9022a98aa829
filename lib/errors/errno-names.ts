// Loads tables that Node has not at hand, so only what names an error comes here.

import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

// What Node's tables lack: block devices use it, and Linux has one number for ENOTSUP and
// EOPNOTSUPP, of which QEMU uses the first name.
const EXTRA: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [11, ['EAGAIN', 'resource temporarily unavailable']],
  [15, ['ENOTBLK', 'block device required']],
  [35, ['EDEADLK', 'resource deadlock would occur']],
  [37, ['ENOLCK', 'no locks available']],
  [39, ['ENOTEMPTY', 'directory not empty']],
  [77, ['EBADFD', 'file descriptor in bad state']],
  [95, ['ENOTSUP', 'operation not supported']],
  [112, ['EHOSTDOWN', 'host is down']],
  [115, ['EINPROGRESS', 'operation in progress']],
  [117, ['EUCLEAN', 'structure needs cleaning']],
  [121, ['EREMOTEIO', 'remote I/O error']],
  [122, ['EDQUOT', 'disk quota exceeded']],
  [123, ['ENOMEDIUM', 'no medium found']],
  [124, ['EMEDIUMTYPE', 'wrong medium type']],
  [125, ['ECANCELED', 'operation canceled']],
]);

let names: Map<number, string> | undefined;

function nodeNames(): Map<number, string> {
  names ??= new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
  return names;
}

/** -2 -> 'ENOENT'. */
export function errnoName(errno: number): string {
  const number = -errno;
  return EXTRA.get(number)?.[0] ?? nodeNames().get(number) ?? `E${number}`;
}

/** 'ENOENT' -> 2; undefined when there is none of that name. */
export function errnoNumber(name: string): number | undefined {
  for (const [number, [known]] of EXTRA) if (known === name) return number;
  return (constants.errno as Readonly<Record<string, number>>)[name];
}

/** -2 -> 'no such file or directory'. */
export function errnoText(errno: number): string {
  return EXTRA.get(-errno)?.[1] ?? getSystemErrorMap().get(errno)?.[1] ?? `unknown error ${-errno}`;
}
