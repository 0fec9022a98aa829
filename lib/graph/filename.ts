// Names of images as users and image headers write them: 'disk.img', './a:b', 'file:disk.img',
// 'null-co://', 'json:{...}'.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { type DriverOptions, findProtocol } from './driver-definition.js';

export const JSON_PREFIX = 'json:';

const FILE = 'file';

function nameError(text: string): BlockError {
  return new BlockError(Errno.EINVAL, { operation: 'open', text });
}

/** 'nbd' in 'nbd:...'; undefined where a slash comes first, as in './a:b'. */
export function prefixOf(filename: string): string | undefined {
  return /^([^:/]*):/.exec(filename)?.[1];
}

/**
 * The driver and its options for a name.
 *
 * @throws BlockError EINVAL for a protocol that nobody knows.
 */
export function optionsFor(filename: string): DriverOptions {
  const prefix = prefixOf(filename) ?? FILE;
  const protocol = findProtocol(prefix);
  if (protocol === undefined) throw nameError(`'${filename}' has the unknown protocol '${prefix}'`);
  const options = protocol.protocol?.(filename);
  if (options === undefined) throw nameError(`'${filename}' is no name for '${protocol.name}'`);
  return { driver: protocol.name, ...options };
}

/** `name` without the prefix, if it has that one. */
export function withoutPrefix(name: string, prefix: string): string {
  return name.startsWith(`${prefix}:`) ? name.slice(prefix.length + 1) : name;
}

/** `name` as seen from the folder of `base`, which may have a protocol of its own. */
export function combine(base: string, name: string): string {
  if (name.startsWith('/')) return name;
  const folder = Math.max(base.lastIndexOf('/'), prefixOf(base)?.length ?? -1);
  return base.slice(0, folder + 1) + name;
}

/**
 * What a header's `backing` means in the image `overlay` (GRAPH-11).
 *
 * @throws BlockError EINVAL for a relative name where the overlay has no folder.
 */
export function backingName(overlay: string, backing: string): string {
  if (backing.startsWith('/') || prefixOf(backing) !== undefined) return backing;
  if (overlay === '' || overlay.startsWith(JSON_PREFIX)) {
    throw nameError(`the relative backing file '${backing}' has no meaning below '${overlay}'`);
  }
  return combine(overlay, backing);
}
