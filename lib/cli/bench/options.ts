import { usageError } from '../shared/cli-error.js';
import type { EngineOptions } from '../shared/engine.js';
import { isNullDevice } from '../shared/image.js';

export const PATTERNS = ['read', 'write', 'randread', 'randwrite', 'randrw'] as const;
export type Pattern = (typeof PATTERNS)[number];

export const APIS = ['promise', 'callback', 'native'] as const;
export type Api = (typeof APIS)[number];

export const MEMORIES = ['pool', 'buffer'] as const;
export type Memory = (typeof MEMORIES)[number];

/** As commander hands them over. */
export interface BenchOptions extends EngineOptions {
  readonly rw: Pattern;
  readonly bs: number;
  readonly iodepth: number;
  /** Seconds. */
  readonly runtime: number;
  readonly api: Api;
  readonly memory: Memory;
  readonly size?: number;
  readonly seed: number;
  readonly direct?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function writes(rw: Pattern): boolean {
  return rw === 'write' || rw === 'randwrite' || rw === 'randrw';
}

export function isRandom(rw: Pattern): boolean {
  return rw.startsWith('rand');
}

/** Writing needs consent, except where there is nothing to lose. */
export function checkConsent(image: string, { rw, yes }: BenchOptions): void {
  if (!writes(rw) || yes || isNullDevice(image)) return;
  throw usageError(`--rw ${rw} destroys what ${image} holds; say --yes if that is meant`);
}
