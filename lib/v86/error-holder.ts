// What becomes of requests that failed: reported, ignored, or held until the operator resumes.

import type { BlockErrorAction } from '../backend/error-policy.js';
import type { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';

/** A request that failed and is kept until `resume()`. */
export interface HeldRequest {
  readonly error: BlockError;
  readonly isRead: boolean;
}

interface Waiter {
  readonly held: HeldRequest;
  readonly retry: () => void;
}

/** How a request ended for its device; 'ignored' and 'cancelled' have no data. */
export type Outcome = 'done' | 'ignored' | 'reported' | 'cancelled';

/**
 * Runs requests, and again after `resume()` those that the backend's error policy held. With 'stop'
 * the machine's run state is asked to stop, and BLOCK_IO_ERROR tells of every failure.
 */
export class ErrorHolder {
  readonly #blk: BlockBackend;
  readonly #reports: boolean;
  #waiting: Waiter[] = [];
  #closed = false;

  /** `reports`: the device can tell its guest of an error; otherwise it stops where it would. */
  constructor(blk: BlockBackend, reports: boolean) {
    this.#blk = blk;
    this.#reports = reports;
  }

  /** Those that wait for `resume()`, the oldest first. */
  get held(): readonly HeldRequest[] {
    return this.#waiting.map(({ held }) => held);
  }

  /** Tries the held requests again, in their order. */
  resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { retry } of waiting) retry();
  }

  /** Held requests end as cancelled, and no later one is held. */
  close(): void {
    this.#closed = true;
    this.resume();
  }

  /** Never rejects. `signal`: nobody waits for the result any more. */
  async run(
    isRead: boolean,
    attempt: () => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    while (!signal?.aborted) {
      const error = await attempt().then(() => undefined, asBlockError);
      if (error === undefined) return 'done';
      const action = this.#act(isRead, -error.errno);
      if (action === 'ignore') return 'ignored';
      if (action === 'report') return 'reported';
      if (this.#closed) break;
      await this.#hold({ error, isRead }, signal);
      if (this.#closed) break;
    }
    return 'cancelled';
  }

  #hold(held: HeldRequest, signal: AbortSignal | undefined): Promise<void> {
    const resumed = new Promise<void>((resolve) => {
      const waiter: Waiter = { held, retry: resolve };
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', () => this.#drop(waiter), { once: true });
    });
    return resumed;
  }

  #act(isRead: boolean, errno: number): BlockErrorAction {
    const wanted = this.#blk.getErrorAction(isRead, errno);
    const action = wanted === 'report' && !this.#reports ? 'stop' : wanted;
    this.#blk.errorAction(action, isRead, errno);
    return action;
  }

  #drop(waiter: Waiter): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiter);
    waiter.retry();
  }
}

/** Anything else than a failed request is a mistake of the adapter, which a guest must not stop. */
function asBlockError(error: unknown): BlockError {
  if (error instanceof BlockError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BlockError(-5, { operation: 'v86 request', text, cause: error });
}
