// How large an image would be, before it is made.

import { invalidArgumentValue } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { driverNames, findDriver, type ImageMeasures } from '../graph/driver-definition.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';

const OPERATION = 'measure';

/**
 * The bytes that an image of the format `driver` would take: for a disk of that many bytes, or for
 * the content of a node, given by itself or its name. (bdrv_measure)
 *
 * @throws BlockError ENOTSUP for a driver that cannot tell, EINVAL for one that nobody knows,
 * ENOMEDIUM for a node that is closed. TypeError ERR_INVALID_ARG_VALUE for anything but an integer of
 * at least 0.
 */
export function measureImage(driver: string, source: number | BlockNode | string): ImageMeasures {
  const definition = findDriver(driver);
  if (definition === undefined) {
    const text = `there is no driver '${driver}'; known: ${driverNames().join(', ')}`;
    throw new BlockError(Errno.EINVAL, { operation: OPERATION, text });
  }
  if (definition.measure === undefined) {
    const text = `the driver '${driver}' cannot tell how large an image would be`;
    throw new BlockError(Errno.ENOTSUP, { operation: OPERATION, text });
  }
  return Object.freeze(definition.measure(sizeOf(source)));
}

function sizeOf(source: number | BlockNode | string): number {
  if (typeof source !== 'number') {
    return (typeof source === 'string' ? graph().find(source) : source).info().length;
  }
  if (Number.isSafeInteger(source) && source >= 0) return source;
  throw invalidArgumentValue('source', 'an integer of at least 0', source);
}
