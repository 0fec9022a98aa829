/** Spreads 32 bits over 32 bits (the finaliser of MurmurHash3). */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Random numbers that a seed repeats (sfc32). Not for secrets. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = mix32(seed);
    this.#b = mix32(this.#a + 1);
    this.#c = mix32(this.#b + 1);
    for (let round = 0; round < 12; round += 1) this.word();
  }

  /** 32 bits, not negative. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** An integer from 0 to `end` - 1, for any `end` up to 2^53. */
  below(end: number): number {
    if (end <= 2 ** 32) return Math.floor((this.word() / 2 ** 32) * end);
    const high = this.word() >>> 11;
    return Math.floor(((high * 2 ** 32 + this.word()) / 2 ** 53) * end);
  }
}

/** A seed for a run that was given none. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
