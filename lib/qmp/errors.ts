// Errors as QMP tells them.

import { BlockError } from '../errors/block-error.js';

/** QAPI: QapiErrorClass. */
export type QmpErrorClass =
  | 'GenericError'
  | 'CommandNotFound'
  | 'DeviceNotActive'
  | 'DeviceNotFound'
  | 'KVMMissingCap';

/** An error of a command, with the class that clients may look at. */
export class QmpError extends Error {
  /** What clients may look at. */
  readonly class: QmpErrorClass;

  /** A failure that is no BlockError. @param description for people; it may change. */
  constructor(description: string, errorClass: QmpErrorClass = 'GenericError') {
    super(description);
    this.class = errorClass;
  }
}
QmpError.prototype.name = 'QmpError';

export interface QmpErrorReply {
  readonly class: QmpErrorClass;
  readonly desc: string;
}

/** @param classes which codes of a BlockError have a class of their own. */
export function errorReply(
  error: unknown,
  classes: { readonly [code: string]: QmpErrorClass } = {},
): QmpErrorReply {
  if (error instanceof QmpError) return { class: error.class, desc: error.message };
  const desc = error instanceof Error ? error.message : String(error);
  const code = error instanceof BlockError ? error.code : '';
  return { class: classes[code] ?? 'GenericError', desc };
}
