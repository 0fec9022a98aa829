// Who waits for what, and whether it goes on.
import { now } from './reference.mjs';

const LOOK_MS = 100;

/** Of one kind of thing that is waited for. */
class Kind {
  count = 0;
  longest = 0;
}

/**
 * Everything that is waited for is entered here. What takes longer than `limit` milliseconds, not
 * counting those for which the machine stood still, is a stall.
 */
export class Watch {
  #reference;
  #limit;
  #fail;
  #open = new Set();
  #kinds = new Map();
  #timer;
  #lastLook;

  constructor(reference, limit, fail) {
    this.#reference = reference;
    this.#limit = limit;
    this.#fail = fail;
    this.#lastLook = this.#stamp();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #stamp() {
    return { at: now(), lost: this.#reference.lost };
  }

  #ageOf({ at, lost }) {
    return now() - at - (this.#reference.lost - lost);
  }

  /** Something begins; it ends with the function that is returned. */
  begin(kind, text) {
    const entry = { ...this.#stamp(), kind, text };
    this.#open.add(entry);
    return () => this.#end(entry);
  }

  /** A control operation: its promise. */
  async control(kind, text, body) {
    const end = this.begin(kind, text);
    try {
      return await body();
    } finally {
      end();
    }
  }

  #end(entry) {
    if (!this.#open.delete(entry)) return;
    const kind = this.#kinds.get(entry.kind) ?? new Kind();
    this.#kinds.set(entry.kind, kind);
    kind.count += 1;
    kind.longest = Math.max(kind.longest, this.#ageOf(entry));
    this.#check(entry);
  }

  #check(entry) {
    const age = this.#ageOf(entry);
    if (age > this.#limit && !entry.told) {
      entry.told = true;
      this.#fail(`stall: ${entry.text} takes ${Math.round(age)} ms and more`);
    }
  }

  #look() {
    this.#reference.look();
    // A turn of this loop that takes so long is a stall as well.
    const late = this.#ageOf(this.#lastLook) - LOOK_MS;
    this.#lastLook = this.#stamp();
    if (late > this.#limit) this.#fail(`stall: Node's loop stood still for ${Math.round(late)} ms`);
    for (const entry of this.#open) this.#check(entry);
  }

  get open() {
    return [...this.#open].map(({ text }) => text);
  }

  /** How many of each kind there were, and what the slowest took, in ms without the machine's. */
  get kinds() {
    return this.#kinds;
  }

  end() {
    clearInterval(this.#timer);
  }
}
