// What a process holds, at moments when nothing is going on.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 1024 * 1024;

/** Of the rounds, the first part only grows what all later ones use. */
const WARM_UP = 0.25;

export function openFiles() {
  return readdirSync('/proc/self/fd').length;
}

export function threads() {
  return Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

/** Resident bytes, when V8 has given back what it will. Needs --expose-gc. */
export async function residentBytes() {
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < 3; count += 1) {
    globalThis.gc();
    await sleep(10);
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
}

function median(numbers) {
  return [...numbers].sort((one, other) => one - other)[numbers.length >> 1];
}

/** What is resident, round by round. */
export class Growth {
  #rounds = [];

  add(bytes) {
    this.#rounds.push(bytes);
  }

  get rounds() {
    return this.#rounds;
  }

  /** Bytes by which the last third lies above the first one, after the warm-up. */
  get bytes() {
    const settled = this.#rounds.slice(Math.floor(this.#rounds.length * WARM_UP));
    const third = Math.max(1, Math.floor(settled.length / 3));
    return median(settled.slice(-third)) - median(settled.slice(0, third));
  }

  get text() {
    const series = this.#rounds.map((bytes) => (bytes / MIB).toFixed(1));
    return `${(this.bytes / MIB).toFixed(1)} MiB after the warm-up; MiB by rounds: ${series.join(' ')}`;
  }
}
