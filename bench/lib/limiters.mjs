// Token buckets as two other VMMs have them, restated from how they behave: what fits is taken, and
// when it does not, everything waits for a timer. One bucket, full at the start, of a second's worth.
//
// Both let a request that is larger than the bucket go at once, and then stand still for as long as
// its excess takes, while the bucket fills again.
import { setTimeout as sleep } from 'node:timers/promises';

const RETRY_MS = 100;
const REFILL_MS = 1000;

class TokenBucket {
  constructor(limit) {
    this.size = limit;
    this.budget = limit;
    this.filled = performance.now();
  }

  /** Whether it may go, and for how many milliseconds nobody else may. */
  take(units) {
    this.refillBefore(units);
    if (units <= this.budget) {
      this.budget -= units;
      return { taken: true, blocked: 0 };
    }
    if (units <= this.size) return { taken: false, blocked: RETRY_MS };
    const excess = units - this.budget;
    this.budget = 0;
    return { taken: true, blocked: (excess / this.size) * REFILL_MS };
  }
}

/** Fills when it is short of tokens, and keeps the time that was no whole token. */
class FirecrackerBucket extends TokenBucket {
  refillBefore(units) {
    if (units <= this.budget) return;
    const tokens = Math.floor(((performance.now() - this.filled) * this.size) / REFILL_MS);
    this.filled += (tokens * REFILL_MS) / this.size;
    this.budget = Math.min(this.size, this.budget + tokens);
  }
}

/** Fills whenever it is asked, and forgets the time that was no whole token. */
class CloudHypervisorBucket extends TokenBucket {
  refillBefore() {
    const now = performance.now();
    const tokens = Math.floor(((now - this.filled) * this.size) / REFILL_MS);
    this.filled = now;
    this.budget = Math.min(this.size, this.budget + tokens);
  }
}

/** Lets requests through in order. */
class Limiter {
  constructor(bucket) {
    this.bucket = bucket;
    this.last = Promise.resolve();
  }

  admit(units) {
    this.last = this.last.then(() => this.#wait(units));
    return this.last;
  }

  async #wait(units) {
    if (this.blocked) await this.blocked;
    for (;;) {
      const { taken, blocked } = this.bucket.take(units);
      this.blocked = blocked > 0 ? sleep(blocked) : undefined;
      if (taken) return;
      await this.blocked;
    }
  }
}

export const LIMITERS = {
  firecracker: (limit) => new Limiter(new FirecrackerBucket(limit)),
  'cloud-hypervisor': (limit) => new Limiter(new CloudHypervisorBucket(limit)),
};
