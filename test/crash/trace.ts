// What strace saw of a workload, held against what was acknowledged: each flush and each FUA write
// must have been told about after an fdatasync of the image that succeeded and had begun after the
// last system call of what it covers. It imports nothing from the product.
//
// strace stops a thread before a call begins and after it ended, and writes a line each time. So
// "B's line of its begin comes after A's line of its end" means that B began after A ended.

import { type CrashEvent, SECTOR } from './model.js';

interface Call {
  readonly name: string;
  readonly text: string;
  readonly begin: number;
  end: number;
  ok: boolean;
}

export interface Violation {
  readonly id: number;
  readonly kind: string;
}

/** `lines` as of `strace -f -y`: "123 name(args) = 0", or in two halves. */
export function parseTrace(lines: readonly string[]): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, Call>();
  for (const [at, line] of lines.entries()) {
    const whole = /^(\d+)\s+(\w+)\((.*)/s.exec(line);
    const resumed = /^(\d+)\s+<\.\.\. \w+ resumed>.*= (-?\d+)/s.exec(line);
    if (whole !== null) {
      const [, thread = '', name = '', text = ''] = whole;
      const result = /= (-?\d+)[^=]*$/.exec(text)?.[1];
      const isWhole = !text.endsWith('<unfinished ...>');
      const end = isWhole ? at : Number.POSITIVE_INFINITY;
      const call = { name, text, begin: at, end, ok: isWhole && Number(result) >= 0 };
      calls.push(call);
      if (!isWhole) unfinished.set(thread, call);
    } else if (resumed !== null) {
      const [, thread = '', result] = resumed;
      const call = unfinished.get(thread);
      unfinished.delete(thread);
      if (call !== undefined) Object.assign(call, { end: at, ok: Number(result) >= 0 });
    }
  }
  return calls;
}

/** Where in the trace each event stands, and the call that did what a request asked for. */
class Observed {
  readonly #ringWrites: boolean;
  readonly #marks = new Map<string, number>();
  readonly #written = new Map<number, Call>();
  readonly #zeroed = new Map<string, Call[]>();
  readonly syncs: Call[] = [];

  constructor(calls: readonly Call[], { image, marks, ringWrites }: Traced) {
    this.#ringWrites = ringWrites;
    for (const call of calls) {
      if (call.text.includes(marks)) this.#mark(call);
      else if (call.text.includes(image)) this.#concern(call);
    }
  }

  at(type: CrashEvent['type'], id: number): number {
    const at = this.#marks.get(`${type} ${id}`);
    if (at === undefined) throw new Error(`the trace has no mark '${type} ${id}'`);
    return at;
  }

  /**
   * When the file had what the request wrote. Of a write that went through a ring strace saw nothing:
   * it ended after it was asked for, and that is all that is sure.
   */
  endOf({ id, kind, sector, count }: CrashEvent): number {
    if (kind === 'write' && this.#ringWrites && !this.#written.has(id)) {
      return this.at('submit', id);
    }
    const calls =
      kind === 'zero'
        ? this.#between(this.#zeroed.get(`${sector * SECTOR}, ${count * SECTOR}`), id)
        : [this.#written.get(id)];
    const end = Math.max(...calls.map((call) => call?.end ?? Number.NaN));
    if (!Number.isFinite(end)) throw new Error(`the trace has no call for request ${id}`);
    return end;
  }

  /** No other request for the same range runs at the same time. */
  #between(calls: readonly Call[] = [], id: number): Call[] {
    const [from, to] = [this.at('submit', id), this.at('ack', id)];
    return calls.filter(({ begin, end }) => begin > from && end < to);
  }

  #mark({ text, begin }: Call): void {
    const mark = /"(\w+ \d+)\\n"/.exec(text)?.[1];
    if (mark !== undefined) this.#marks.set(mark, begin);
  }

  #concern(call: Call): void {
    const { name, text } = call;
    const id = /"W(\d{7})\./.exec(text)?.[1];
    const range = name === 'fallocate' ? /, (\d+, \d+)(?:\)| <)/.exec(text)?.[1] : undefined;
    if (name === 'fdatasync') this.syncs.push(call);
    else if (id !== undefined) this.#written.set(Number(id), call);
    else if (range !== undefined) {
      this.#zeroed.set(range, [...(this.#zeroed.get(range) ?? []), call]);
    }
  }
}

export interface Traced {
  readonly events: readonly CrashEvent[];
  readonly trace: readonly string[];
  /** Paths, as the trace has them. */
  readonly image: string;
  readonly marks: string;
  /** The engine had the kernel write through a ring: fdatasync and fallocate never go there. */
  readonly ringWrites: boolean;
}

/** Acknowledgements that no fdatasync stands behind. */
export function violations(traced: Traced): {
  violations: Violation[];
  checked: number;
  syncs: number;
} {
  const calls = parseTrace(traced.trace);
  const observed = new Observed(calls, traced);
  const found: Violation[] = [];
  const covered = new Map<number, number>();
  /** When the last of all requests that were acknowledged so far had reached the file. */
  let latest = -1;
  let checked = 0;
  const check = (event: CrashEvent, after: number): void => {
    checked += 1;
    const before = observed.at('ack', event.id);
    const isBehind = observed.syncs.some(
      ({ begin, end, ok }) => ok && begin > after && end < before,
    );
    if (!isBehind && after >= 0) found.push({ id: event.id, kind: event.kind });
  };
  for (const event of traced.events) {
    const { type, kind, id, fua } = event;
    if (kind === 'flush' && type === 'submit') covered.set(id, latest);
    else if (kind === 'flush') check(event, covered.get(id) ?? -1);
    else if (type === 'ack') {
      const end = observed.endOf(event);
      latest = Math.max(latest, end);
      if (fua) check(event, end);
    }
  }
  const syncs = calls.filter(({ name }) => name === 'fdatasync').length;
  return { violations: found, checked, syncs };
}
