// The seeded script of requests that both sides run. Nothing here knows either side.

/** Random integers that a seed repeats. */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const KIB = 1024;
const SECTOR = 512;
const LARGEST_BLOCK = 4096;
/** The disk grows and shrinks below this. */
const MAX_SIZE = 1024 * KIB;

/** Of 100 requests. */
const weights = [
  ['read', 28],
  ['write', 30],
  ['zero', 16],
  ['discard', 14],
  ['truncate', 6],
  ['flush', 6],
];

function pick(random) {
  let ticket = random(100);
  for (const [kind, weight] of weights) {
    if (ticket < weight) return kind;
    ticket -= weight;
  }
  throw new Error('the weights must add up to 100');
}

const roundUp = (value, unit) => Math.ceil(value / unit) * unit;
const roundDown = (value, unit) => Math.floor(value / unit) * unit;

export class Script {
  #random;
  #unit;
  #discardUnit;
  #length;

  /**
   * @param unit of offsets, lengths and sizes, in bytes
   * @param discardUnit of discards: some drivers skip parts of a block
   * @param size of the image at first, in bytes
   */
  constructor({ seed, unit, discardUnit = 1, size }) {
    this.#random = randomNumbers(seed);
    this.#unit = unit;
    this.#discardUnit = discardUnit;
    this.#length = size;
  }

  /** The next request: { kind, offset, bytes, ... }. */
  next() {
    const kind = pick(this.#random);
    if (kind === 'flush') return { kind };
    if (kind === 'truncate') return this.#truncate();
    const { offset, bytes } = this.#range(kind);
    if (kind === 'write') {
      return { kind, offset, bytes, pattern: 1 + this.#random(255), fua: this.#chance(10) };
    }
    if (kind === 'zero') {
      return { kind, offset, bytes, unmap: this.#chance(50), fua: this.#chance(10) };
    }
    return { kind, offset, bytes };
  }

  /** The last request before the image is opened again, which needs whole blocks to be writable. */
  last() {
    this.#length = Math.max(LARGEST_BLOCK, roundUp(this.#length, LARGEST_BLOCK));
    return { kind: 'truncate', size: this.#length };
  }

  #chance(percent) {
    return this.#random(100) < percent;
  }

  #truncate() {
    const grows = this.#chance(60);
    const change = this.#random(64 * KIB);
    const size = Math.min(MAX_SIZE, Math.max(0, this.#length + (grows ? change : -change)));
    this.#length = roundDown(size, this.#unit);
    return { kind: 'truncate', size: this.#length };
  }

  /** Mostly inside the disk and small, sometimes large, past the end or of no length. */
  #range(kind) {
    const unit = kind === 'discard' ? Math.max(this.#unit, this.#discardUnit) : this.#unit;
    const end = roundUp(this.#length, SECTOR);
    const longest = this.#chance(kind === 'read' ? 5 : 20) ? 96 * KIB : 6 * KIB;
    const offset = roundDown(this.#offset(end), unit);
    let bytes = this.#chance(1) ? 0 : roundUp(1 + this.#random(longest), unit);
    if (this.#chance(97)) bytes = Math.max(0, Math.min(bytes, roundDown(end - offset, unit)));
    return { offset, bytes };
  }

  #offset(end) {
    // Often near the end, where partial blocks are.
    if (this.#chance(20)) return Math.max(0, end - this.#random(8 * KIB));
    return this.#random(end + SECTOR);
  }
}
