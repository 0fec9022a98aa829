// Seeded choices.
import { randomNumbers } from '../differential/script.mjs';

export class Choose {
  #random;

  constructor(seed) {
    this.#random = randomNumbers(seed);
  }

  below(limit) {
    return this.#random(limit);
  }

  /** True once in `n` times. */
  once(n) {
    return this.#random(n) === 0;
  }

  of(values) {
    return values[this.#random(values.length)];
  }

  /** A body of [[weight, body], ...]. */
  weighted(entries) {
    let ticket = this.#random(entries.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, body] of entries) {
      if (ticket < weight) return body;
      ticket -= weight;
    }
    return entries.at(-1)[1];
  }

  /** Each member with its chance of one in `n`; values that are functions are called. */
  some(n, members) {
    const chosen = Object.entries(members).filter(() => this.once(n));
    return Object.fromEntries(
      chosen.map(([name, value]) => [name, typeof value === 'function' ? value() : value]),
    );
  }
}
