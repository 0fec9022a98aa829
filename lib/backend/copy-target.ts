import type { Handle } from '../aio/native-binding.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** Where a copy goes: another backend of the same context, or the same one. */
export interface CopyTarget {
  /** @internal 0 once it is closed. */
  readonly handle: Handle;
}

export function copyTargetProblem(target: unknown): Error | undefined {
  const isBackend =
    typeof target === 'object' &&
    target !== null &&
    typeof (target as Partial<CopyTarget>).handle === 'number';
  if (!isBackend) return invalidArgumentType('target', 'a BlockBackend', target);
  if ((target as CopyTarget).handle !== 0) return undefined;
  return new BlockError(Errno.ENOMEDIUM, {
    operation: 'copy_range',
    text: 'the target backend is closed',
  });
}
