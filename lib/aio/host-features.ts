import type { NativeBinding } from './native-binding.js';

/** io_uring_setup flags, by bit. */
const SETUP_FLAGS = [
  'IOPOLL',
  'SQPOLL',
  'SQ_AFF',
  'CQSIZE',
  'CLAMP',
  'ATTACH_WQ',
  'R_DISABLED',
  'SUBMIT_ALL',
  'COOP_TASKRUN',
  'TASKRUN_FLAG',
  'SQE128',
  'CQE32',
  'SINGLE_ISSUER',
  'DEFER_TASKRUN',
  'NO_MMAP',
  'REGISTERED_FD_ONLY',
  'NO_SQARRAY',
] as const;

/** [8, 12] set -> ['COOP_TASKRUN', 'SINGLE_ISSUER']. */
export function setupFlagNames(flags: number): readonly string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit += 1) {
    if ((flags & (1 << bit)) !== 0) names.push(SETUP_FLAGS[bit] ?? `bit ${bit}`);
  }
  return names;
}

/** What this host offers, found out by trying, once per process. */
export interface HostFeatures {
  /** The engine that `aio: 'auto'` chooses. */
  readonly engine: string;
  /** Why, in one sentence. */
  readonly reason: string;
  /** IORING_SETUP_* bits in force; 0 for threads. */
  readonly flags: number;
  readonly flagNames: readonly string[];
  /** Negative errno of the refusal; 0 when io_uring works. */
  readonly errno: number;
  readonly kernel: string;
}

export function hostFeatures(binding: NativeBinding): HostFeatures {
  const found = binding.hostFeatures();
  return Object.freeze({ ...found, flagNames: Object.freeze(setupFlagNames(found.flags)) });
}

/** One warning per process when `auto` could not have io_uring. */
export function warnAboutFallback(binding: NativeBinding, reason: string): void {
  if (!binding.claimFallbackWarning()) return;
  process.emitWarning(`io_uring is not available, using worker threads: ${reason}`, {
    type: 'BlockBackendWarning',
    code: 'BLOCK_AIO_FALLBACK',
  });
}
