import { usageError } from '../shared/cli-error.js';
import type { EngineOptions } from '../shared/engine.js';

/** As commander hands them over. */
export interface DemoOptions extends EngineOptions {
  readonly write?: boolean;
  /** False with --no-verify. */
  readonly verify: boolean;
  readonly verifyOnly?: boolean;
  readonly seed?: number;
  readonly requests?: number;
  readonly runtime: number;
  readonly depth: number;
  readonly size?: number;
  readonly direct?: boolean;
  readonly json?: boolean;
}

/** What a run does. */
export type DemoMode =
  /** Writes, flushes and verifies; without an IMAGE on a scratch one. */
  | 'write+verify'
  | 'write'
  /** Verifies what an earlier run with the same seed wrote. */
  | 'verify'
  /** Never writes: reads everything twice. */
  | 'read';

export function demoMode(image: string | undefined, options: DemoOptions): DemoMode {
  const { write, verify, verifyOnly, seed } = options;
  if (verifyOnly) {
    if (image === undefined) throw usageError('--verify-only needs an IMAGE');
    if (write || !verify)
      throw usageError('--verify-only goes with neither --write nor --no-verify');
    if (seed === undefined)
      throw usageError('--verify-only needs the --seed of the run that wrote');
    return 'verify';
  }
  if (image === undefined) {
    if (!verify) throw usageError('--no-verify needs an IMAGE: a scratch image is gone afterwards');
    return 'write+verify';
  }
  if (!verify && !write) throw usageError('--no-verify needs --write');
  if (!write) return 'read';
  return verify ? 'write+verify' : 'write';
}
