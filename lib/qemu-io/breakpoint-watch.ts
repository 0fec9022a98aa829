// Requests that wait at breakpoints: they are told of, and not left waiting where nobody could let
// them go on.

import type { BlockBackend } from '../block-backend.js';
import { type Blkdebug, blkdebug } from '../drivers/blkdebug-control.js';
import { BlockError } from '../errors/block-error.js';

/** Between two looks at whether everything waits at breakpoints. */
const LOOK_AGAIN_MS = 20;

export interface BreakpointTellers {
  out(line: string): void;
  complain(text: string): void;
}

/** For a session whose disk nobody else uses. */
export class BreakpointWatch {
  readonly #tellers: BreakpointTellers;
  /** How many requests were seen to wait under the tags of breakpoints. */
  readonly #stopped = new Map<string, number>();

  constructor(tellers: BreakpointTellers) {
    this.#tellers = tellers;
  }

  /** From now on it looks for requests under this tag. */
  note(tag: string): void {
    if (!this.#stopped.has(tag)) this.#stopped.set(tag, 0);
  }

  /** So many are about to go on. */
  resumed(tag: string, requests: number): void {
    for (let told = 0; told < requests; told += 1) {
      this.#tellers.out(`blkdebug: Resuming request '${tag}'`);
    }
    this.#stopped.set(tag, Math.max(0, (this.#stopped.get(tag) ?? 0) - requests));
  }

  /** Nothing of the disk is under way but what waits. */
  isStuck(blk: BlockBackend): boolean {
    return this.#suspended(blk) === blk.inFlight;
  }

  /** Resumes everything whenever nothing else is left to wait for. */
  async wait<T>(blk: BlockBackend, promise: Promise<T>): Promise<T> {
    if (this.#stopped.size === 0) return promise;
    const timer = setInterval(() => {
      if (this.#suspended(blk) === 0 || !this.isStuck(blk)) return;
      this.#tellNow(blk);
      const text = 'every request waits at a breakpoint, and nobody could resume them: resumed';
      this.#tellers.complain(text);
      this.#resumeAll(blk);
    }, LOOK_AGAIN_MS);
    try {
      return await promise;
    } finally {
      clearInterval(timer);
    }
  }

  /** Says which requests have come to a breakpoint, once those that were made are on their way. */
  async tell(blk: BlockBackend): Promise<void> {
    if (this.#stopped.size === 0) return;
    await new Promise(setImmediate);
    this.#tellNow(blk);
  }

  #tellNow(blk: BlockBackend): void {
    const control = this.#control(blk);
    for (const [tag, known] of this.#stopped) {
      const now = control?.suspendedCount(tag) ?? 0;
      for (let told = known; told < now; told += 1) {
        this.#tellers.out(`blkdebug: Suspended request '${tag}'`);
      }
      this.#stopped.set(tag, now);
    }
  }

  /** The disk's breakpoints; undefined where there are none, as in a disk that was opened since. */
  #control({ root }: BlockBackend): Blkdebug | undefined {
    if (root === undefined || this.#stopped.size === 0) return undefined;
    try {
      return blkdebug(root);
    } catch (error) {
      if (error instanceof BlockError) return undefined;
      throw error;
    }
  }

  #suspended(blk: BlockBackend): number {
    const control = this.#control(blk);
    if (control === undefined) return 0;
    return [...this.#stopped.keys()].reduce((sum, tag) => sum + control.suspendedCount(tag), 0);
  }

  #resumeAll(blk: BlockBackend): void {
    const control = this.#control(blk);
    for (const tag of this.#stopped.keys()) {
      const requests = control?.suspendedCount(tag) ?? 0;
      this.resumed(tag, requests);
      for (let left = requests; left > 0; left -= 1) control?.resume(tag);
    }
  }
}
