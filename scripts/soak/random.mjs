// Seeded choices.
import { randomNumbers } from '../differential/script.mjs';

export class Random {
  #below;

  constructor(seed) {
    this.#below = randomNumbers(seed);
  }

  /** From 0 to below `limit`. */
  below(limit) {
    return this.#below(limit);
  }

  between(least, most) {
    return least + this.#below(most - least + 1);
  }

  pick(list) {
    return list[this.#below(list.length)];
  }

  /** `times` in `of`. */
  chance(times, of) {
    return this.#below(of) < times;
  }

  /** Of [weight, value] pairs. */
  weighted(pairs) {
    let left = this.#below(pairs.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of pairs) {
      if (left < weight) return value;
      left -= weight;
    }
    return undefined;
  }
}
