// A random walk over sections, requests and backends, compared with the model after every step.
import {
  AbortError,
  type AioContext,
  BlockBackend,
  type BlockError,
  type DrainSection,
  drainedAll,
} from '../../lib/index.js';
import { randomNumbers } from '../support/random.js';
import { turn } from '../support/waiting.js';
import { DrainModel, type RequestState } from './drain-model.js';

/**
 * base and second sit on one node, and upper on another above it; alone has a node of its own, and
 * empty has none.
 */
const ABOVE = new Map([
  ['base', ['upper', 'second']],
  ['upper', []],
  ['second', ['base', 'upper']],
  ['alone', []],
  ['empty', []],
]);
const NAMES = [...ABOVE.keys()];
/** Those that share a node. */
const FAMILY: readonly string[] = ['base', 'second', 'upper'];

export interface WalkOptions {
  readonly seed: number;
  readonly steps: number;
  readonly context: AioContext;
  /** Of requests, in ns. */
  readonly latency: number;
}

interface Begun {
  readonly id: number;
  readonly of: string | undefined;
  readonly section: Promise<DrainSection>;
  quiet: boolean;
}

export class DrainWalk {
  readonly #options: WalkOptions;
  readonly #random: (below: number) => number;
  readonly #model: DrainModel;
  readonly #backends = new Map<string, BlockBackend>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #begun: Begun[] = [];
  /** Of requests that have not ended: how to abort them. */
  readonly #pending = new Map<number, AbortController>();
  readonly #ends = new Map<number, number>();
  readonly #problems: string[] = [];
  readonly #virtual: boolean;
  #next = 0;
  #step = 0;
  #last = '';

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#random = randomNumbers(options.seed);
    this.#virtual = options.context.home === 'virtual';
    const latency = new Map(NAMES.map((name) => [name, name === 'empty' ? 0 : options.latency]));
    this.#model = new DrainModel(ABOVE, latency);
  }

  /** @throws Error with the seed and the step where product and model part. */
  async run(): Promise<{ requests: number; sections: number; parkedAtOnce: number }> {
    for (const name of NAMES) this.#backends.set(name, await this.#open(name));
    let sections = 0;
    let parkedAtOnce = 0;
    for (this.#step = 1; this.#step <= this.#options.steps; this.#step += 1) {
      const before = this.#begun.length;
      // Several at once: what one of them sets going is still on its way when the next one comes.
      for (let acts = 1 + this.#random(3); acts > 0; acts -= 1) await this.#act();
      sections += this.#begun.length > before ? 1 : 0;
      await this.#compare();
      const parked = NAMES.map((name) => this.#model.parked(name));
      parkedAtOnce = Math.max(parkedAtOnce, ...parked);
    }
    await this.#finish();
    return { requests: this.#next, sections, parkedAtOnce };
  }

  async #act(): Promise<void> {
    this.#noticeClosed();
    const name = NAMES[this.#random(NAMES.length)] as string;
    const dice = this.#random(100);
    if (dice < 40) this.#submit(name, 1 + this.#random(8));
    else if (dice < 55) this.#begin(name);
    else if (dice < 60) this.#begin(undefined);
    else if (dice < 80) await this.#end();
    else if (dice < 86) this.#abort();
    else if (dice < 96) await this.#pass();
    else if (this.#model.isOpen(name)) this.#close(name);
    else await this.#reopen(name);
  }

  async #open(name: string): Promise<BlockBackend> {
    const { context, latency } = this.#options;
    if (name === 'empty') return new BlockBackend({ context });
    // Without flushes: the one at close would wait for a clock that nobody moves.
    const node = {
      driver: 'null-aio',
      size: 1 << 20,
      'latency-ns': latency,
      cache: { 'no-flush': true },
    };
    if (name === 'upper') return BlockBackend.open({ driver: 'raw', file: 'walk-base' });
    if (name === 'second') return BlockBackend.open('walk-base');
    if (name === 'base') {
      if (this.#backends.has('upper') && this.#familyIsThere())
        return BlockBackend.open('walk-base');
      return BlockBackend.open({ ...node, 'node-name': 'walk-base' }, { context });
    }
    return BlockBackend.open(node, { context });
  }

  #submit(name: string, count: number): void {
    this.#last = `submit ${count} to ${name}`;
    const blk = this.#backends.get(name) as BlockBackend;
    for (let index = 0; index < count; index += 1) {
      const id = this.#next;
      this.#next += 1;
      this.#model.submit(id, name);
      const controller = new AbortController();
      this.#pending.set(id, controller);
      const { signal } = controller;
      const buffer = Buffer.alloc(512);
      const promise =
        id % 2 === 0 ? blk.pread(0, buffer, { signal }) : blk.pwrite(512, buffer, { signal });
      promise.then(
        () => this.#ended(id, 'done'),
        (error: Error) => this.#ended(id, error instanceof AbortError ? 'aborted' : error),
      );
    }
  }

  #ended(id: number, how: RequestState | Error): void {
    this.#noticeClosed();
    this.#pending.delete(id);
    this.#ends.set(id, (this.#ends.get(id) ?? 0) + 1);
    const code = (how as BlockError).code ?? how;
    const known = this.#model.state(id);
    // Without a clock of its own the model learns here when a running request has ended.
    if (known === 'running' && (code === 'done' || code === 'ENOMEDIUM')) {
      if (!this.#virtual) this.#model.complete(id);
      return;
    }
    const expected: Record<string, string> = {
      done: 'done',
      aborted: 'aborted',
      'no medium': 'ENOMEDIUM',
    };
    if (known !== undefined && (expected[known] === code || code === 'ENOMEDIUM')) return;
    this.#problems.push(`request ${id} ended with ${code}, the model has it ${known}`);
  }

  #begin(of: string | undefined): void {
    if (of !== undefined && !this.#model.isOpen(of)) return;
    this.#last = `begin ${of ?? 'all'}`;
    const id = this.#next;
    this.#next += 1;
    this.#model.begin(id, of);
    const blk = of === undefined ? undefined : this.#backends.get(of);
    const section = blk === undefined ? drainedAll() : blk.drained();
    const begun: Begun = { id, of, section, quiet: false };
    this.#begun.push(begun);
    void section.then(() => {
      this.#noticeClosed();
      begun.quiet = true;
      if (this.#model.isQuiet(id)) return;
      this.#problems.push(`section ${id} is quiet while requests run`);
    });
  }

  async #end(): Promise<void> {
    const index = this.#begun.findIndex(({ quiet }) => quiet);
    if (index < 0) return;
    const [begun] = this.#begun.splice(index, 1) as [Begun];
    this.#last = `end ${begun.of ?? 'all'}`;
    const section = await begun.section;
    section.end();
    this.#model.end(begun.id);
  }

  #abort(): void {
    const ids = [...this.#pending.keys()];
    const id = ids[this.#random(Math.max(1, ids.length))];
    if (id === undefined) return;
    this.#last = `abort ${id}`;
    this.#model.abort(id);
    this.#pending.get(id)?.abort();
  }

  async #pass(): Promise<void> {
    this.#last = 'pass time';
    if (!this.#virtual) return;
    const time = this.#random(2 * this.#options.latency);
    // Whoever is told of something meanwhile finds the model there already.
    this.#model.advance(time);
    await this.#options.context.advance(time);
  }

  #close(name: string): void {
    this.#last = `close ${name}`;
    const blk = this.#backends.get(name) as BlockBackend;
    this.#closing.set(name, blk.close());
    this.#model.close(name);
  }

  async #reopen(name: string): Promise<void> {
    if (this.#model.isClosing(name)) return;
    // Whether their node is there when the open has its turn cannot be known while one of them goes.
    if (FAMILY.includes(name) && FAMILY.some((one) => this.#model.isClosing(one))) return;
    if ((name === 'upper' || name === 'second') && !this.#familyIsThere()) return;
    this.#last = `open ${name}`;
    // Opening waits, and what takes no time ends meanwhile.
    if (this.#virtual) this.#model.advance(0);
    // The sections of the backend that is gone end with it here, so that the name has a new start.
    for (const begun of this.#begun.filter(({ of }) => of === name)) {
      (await begun.section).end();
      this.#begun.splice(this.#begun.indexOf(begun), 1);
    }
    this.#model.forgetSectionsOf(name);
    this.#backends.set(name, await this.#open(name));
    this.#model.open(name);
  }

  /** Somebody has the node that base, second and upper share. */
  #familyIsThere(): boolean {
    return FAMILY.some((name) => this.#model.isOpen(name));
  }

  /** Waits until product and model agree, which on a virtual clock they do within a few turns. */
  async #compare(): Promise<void> {
    if (this.#virtual) this.#model.advance(0);
    for (let turns = 0; ; turns += 1) {
      await turn();
      await this.#settleClosing();
      const difference = this.#difference();
      if (this.#problems.length === 0 && difference === '') return;
      if (this.#problems.length > 0 || turns > (this.#virtual ? 4 : 200_000)) {
        this.#fail([...this.#problems, difference].join('; '));
      }
    }
  }

  async #settleClosing(): Promise<void> {
    for (const [name, closed] of this.#closing) {
      if (!this.#model.canClose(name)) continue;
      await closed;
      this.#noticeClosed();
      this.#closing.delete(name);
      if (this.#virtual) this.#model.advance(0);
    }
  }

  /** A backend lets go of its node some time before close() resolves. */
  #noticeClosed(): void {
    const all = BlockBackend.all();
    for (const name of this.#closing.keys()) {
      const gone = !all.includes(this.#backends.get(name) as BlockBackend);
      if (gone && this.#model.isClosing(name)) this.#model.closed(name);
    }
  }

  #difference(): string {
    for (const name of NAMES) {
      const { inFlight, parked, quiesceCount } = this.#backends.get(name) as BlockBackend;
      const model = this.#model;
      const is = `${inFlight} in flight, ${parked} parked, ${quiesceCount} sections`;
      const should =
        `${model.inFlight(name)} in flight, ${model.parked(name)} parked, ` +
        `${model.quiesceCount(name)} sections`;
      if (is !== should) return `${name} has ${is}; the model has ${should}`;
    }
    const late = this.#begun.find(({ id, quiet }) => !quiet && this.#model.isQuiet(id));
    return late === undefined ? '' : `section ${late.id} is quiet, and nobody was told`;
  }

  /** Ends every section, lets every request end, and closes everything. */
  async #finish(): Promise<void> {
    this.#last = 'finish';
    while (this.#begun.length > 0) {
      await this.#pass();
      await this.#end();
      await this.#compare();
    }
    while (NAMES.some((name) => this.#model.inFlight(name) > 0)) {
      await this.#pass();
      await this.#compare();
    }
    for (const name of NAMES) if (this.#model.isOpen(name)) this.#close(name);
    await this.#compare();
    if (this.#pending.size > 0) this.#fail(`${this.#pending.size} requests never ended`);
    const twice = [...this.#ends.values()].filter((ends) => ends !== 1).length;
    if (twice > 0) this.#fail(`${twice} requests ended twice`);
  }

  #fail(what: string): never {
    const { seed } = this.#options;
    throw new Error(`seed ${seed}, step ${this.#step} (${this.#last}): ${what}`);
  }
}
