// What becomes of a guest's request that failed: the policies, and what they decide. No state here.

import { BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { optionError } from '../graph/option-bag.js';

const ON_ERROR = ['report', 'ignore', 'enospc', 'stop', 'auto', 'retry'] as const;

/**
 * QAPI: BlockdevOnError, and 'retry'. 'enospc' stops the machine when the host has no room left, and
 * reports everything else.
 */
export type BlockdevOnError = (typeof ON_ERROR)[number];

/** QAPI: BlockErrorAction, and 'retry'. */
export type BlockErrorAction = 'ignore' | 'report' | 'stop' | 'retry';

/** QAPI: BlockDeviceIoStatus. */
export type BlockDeviceIoStatus = 'ok' | 'failed' | 'nospace';

/** A request that failed, for a policy of the VMM's own. */
export interface FailedRequest {
  readonly operation: 'read' | 'write';
  /** Positive. */
  readonly errno: number;
  /** The backend's name; '' without one. */
  readonly device: string;
}

/** Decides for each failed request by itself. */
export type ErrorPolicyFunction = (failed: FailedRequest) => BlockErrorAction;

/** What a backend does about errors of one direction. */
export type ErrorPolicy = BlockdevOnError | ErrorPolicyFunction;

/** Options of a drive: QEMU's rerror and werror, and what 'retry' needs. */
export interface ErrorPolicySettings {
  /** 'report' (default), 'ignore', 'stop' or 'retry'. */
  readonly rerror?: ErrorPolicy | undefined;
  /** The same and 'enospc', which is the default. Flushes and discards are writes here. */
  readonly werror?: ErrorPolicy | undefined;
  /** Of 'retry', in ms. Default 1000. */
  readonly 'retry-interval'?: number | undefined;
  /** Of 'retry', in ms since the first failure; then the error is reported. Default 0: for ever. */
  readonly 'retry-timeout'?: number | undefined;
}

const FOR_READS: readonly unknown[] = ['report', 'ignore', 'stop', 'retry'];
const FOR_WRITES: readonly unknown[] = [...FOR_READS, 'enospc'];

/** @throws BlockError EINVAL */
export function checkErrorPolicySettings(settings: ErrorPolicySettings): void {
  checkOption('rerror', settings.rerror, FOR_READS);
  checkOption('werror', settings.werror, FOR_WRITES);
  for (const name of ['retry-interval', 'retry-timeout'] as const) {
    const value: unknown = settings[name];
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) continue;
    throw optionError(name, 'must be milliseconds, an integer of at least 0');
  }
}

function checkOption(name: string, value: unknown, known: readonly unknown[]): void {
  if (value === undefined || typeof value === 'function' || known.includes(value)) return;
  throw optionError(name, `must be a function or one of ${known.join(', ')}`);
}

/** @throws BlockError EINVAL for something that is no policy at all. */
export function checkErrorPolicy(name: string, policy: ErrorPolicy): void {
  checkOption(name, policy, ON_ERROR);
}

/** @throws BlockUsageError for an errno that is not positive, as callers of QEMU's have it. */
export function checkFailure(errno: number): void {
  if (Number.isSafeInteger(errno) && errno > 0) return;
  throw new BlockUsageError(`an errno is a positive integer here, not ${String(errno)}`);
}

export function isNoSpace(errno: number): boolean {
  return errno === -Errno.ENOSPC;
}

/** Under such a policy the machine can stop. */
export function mayStop(policy: ErrorPolicy): boolean {
  return policy === 'enospc' || policy === 'stop' || typeof policy === 'function';
}

/**
 * The action for one failed request (ERR-1).
 *
 * @throws BlockUsageError for 'auto', which is resolved when a device is attached.
 */
export function actionOf(policy: ErrorPolicy, failed: FailedRequest): BlockErrorAction {
  if (typeof policy === 'function') return policy(failed);
  if (policy === 'auto') throw new BlockUsageError("the policy 'auto' was never resolved");
  if (policy !== 'enospc') return policy;
  return isNoSpace(failed.errno) ? 'stop' : 'report';
}
