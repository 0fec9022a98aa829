// When a device tries failed requests again (the policy 'retry').

export const DEFAULT_RETRY_INTERVAL_MS = 1000;

/** Not armed while the backend is drained: what it owes by then is owed until the section ends. */
export class RetryTimer {
  interval = DEFAULT_RETRY_INTERVAL_MS;
  /** 0: none. */
  timeout = 0;
  readonly #retry: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isOwed = false;
  #isHeld = false;
  /** Of the first failure since the last success. */
  #failing: number | undefined;

  constructor(retry: () => void) {
    this.#retry = retry;
  }

  /** It may be tried again, unless that has been going on for too long. */
  get mayRetry(): boolean {
    this.#failing ??= performance.now();
    return this.timeout === 0 || performance.now() - this.#failing < this.timeout;
  }

  arm(): void {
    this.#isOwed = true;
    if (this.#isHeld) return;
    // As often as it is armed it starts anew; alone it keeps no process alive.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fire(), this.interval).unref();
  }

  /** A section begins (true) or the last one ends (false). */
  hold(held: boolean): void {
    this.#isHeld = held;
    clearTimeout(this.#timer);
    if (!held && this.#isOwed) this.arm();
  }

  succeeded(): void {
    this.#failing = undefined;
  }

  /** Its device has gone. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#isOwed = false;
    this.#failing = undefined;
  }

  #fire(): void {
    this.#isOwed = false;
    this.#retry();
  }
}
