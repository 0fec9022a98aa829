// What becomes of requests that failed: reported, ignored, or held until the operator resumes.

import { BlockError } from '../errors/block-error.js';

/** QAPI: BlockErrorAction. */
export type ErrorAction = 'report' | 'ignore' | 'stop';

/** Decides about one failure; called once for each, also when a held request fails again. */
export type ErrorPolicy = (error: BlockError, isRead: boolean) => ErrorAction;

/** A request that failed and is kept until `resume()`. */
export interface HeldRequest {
  readonly error: BlockError;
  readonly isRead: boolean;
}

export interface RequestPolicyOptions {
  /** Default: 'stop' for ENOSPC of a write, else 'report' (QEMU: rerror=report, werror=enospc). */
  readonly onError?: ErrorPolicy | undefined;
  /** A request is held from now on: the place to stop the machine. */
  readonly onStop?: ((held: HeldRequest) => void) | undefined;
}

const byDefault: ErrorPolicy = (error, isRead) =>
  !isRead && error.code === 'ENOSPC' ? 'stop' : 'report';

interface Waiter {
  readonly held: HeldRequest;
  readonly retry: () => void;
}

/** How a request ended for its device; 'ignored' and 'cancelled' have no data. */
export type Outcome = 'done' | 'ignored' | 'reported' | 'cancelled';

/** Runs requests, and again after `resume()` those that the policy held. */
export class ErrorHolder {
  readonly #policy: ErrorPolicy;
  readonly #onStop: (held: HeldRequest) => void;
  #waiting: Waiter[] = [];
  #closed = false;

  constructor({ onError = byDefault, onStop = () => {} }: RequestPolicyOptions) {
    this.#policy = onError;
    this.#onStop = onStop;
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
      const action = this.#policy(error, isRead);
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
    this.#onStop(held);
    return resumed;
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
