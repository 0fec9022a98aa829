// A throttle group with random limits, members and requests, in virtual time and in the model.
import { AioContext, BlockBackend, type ImageOptions, ThrottleGroup } from '../../lib/index.js';
import { Dispatches } from '../support/dispatches.js';
import { fastDisk } from '../support/null-disk.js';
import { type Random, randomNumbers } from '../support/random.js';
import { turn } from '../support/waiting.js';
import type { ModelLimits } from './bucket-model.js';
import { drawLimits, largestRequest, magnitude, oneOf } from './throttle-draw.js';
import { type ModelDirection, ThrottleModel } from './throttle-model.js';

const GROUP = 'walk';
const DISK = 64 << 20;
const buffer = Buffer.alloc(1 << 20);

export interface WalkResult {
  requests: number;
  /** Of them, those that had to wait. */
  throttled: number;
  members: number;
  /** How often other limits, a section, an abort and a member that left came in between. */
  changes: number;
  sections: number;
  aborts: number;
  departures: number;
}

/** A backend that is throttled itself, or one whose node below it is. */
interface Member {
  readonly blk: BlockBackend;
  readonly kind: 'backend' | 'filter';
}

export class ThrottleWalk {
  readonly #seed: number;
  readonly #random: Random;
  readonly #context = new AioContext({ home: 'virtual' });
  readonly #dispatches = new Dispatches(this.#context);
  readonly #model = new ThrottleModel();
  readonly #members = new Map<string, Member>();
  readonly #aborts = new Map<string, AbortController>();
  readonly #acts: string[] = [];
  readonly #result: WalkResult = {
    requests: 0,
    throttled: 0,
    members: 0,
    changes: 0,
    sections: 0,
    aborts: 0,
    departures: 0,
  };
  readonly #group: ThrottleGroup;
  #limits: ModelLimits;
  /** Of requests, for as long as a limit was in force: a debt outlives it. */
  #largest: number;
  #pause: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = randomNumbers(seed);
    this.#limits = drawLimits(this.#random);
    this.#largest = largestRequest(this.#limits, DISK);
    this.#pause = magnitude(this.#random, 1, 1e10);
    this.#group = new ThrottleGroup(GROUP, this.#limits);
    this.#note(`limits ${JSON.stringify(this.#limits)}`);
    this.#model.configure(this.#limits);
  }

  /** @throws Error with the seed, the acts and the first request where product and model part. */
  async run(): Promise<WalkResult> {
    for (let count = oneOf(this.#random, [1, 1, 2, 2, 3, 5, 8]); count > 0; count -= 1) {
      await this.#join();
    }
    for (let acts = 2 + this.#random(14); acts > 0; acts -= 1) {
      await this.#act();
      if (this.#random(2) === 0) await this.#pass(this.#random(this.#pause));
    }
    while (this.#model.waiting().length > 0) {
      await this.#pass((this.#model.nextDeadline ?? Number.NaN) - this.#model.now);
    }
    await this.#compareWaits();
    await this.#end();
    this.#compare();
    return this.#result;
  }

  async #act(): Promise<void> {
    const dice = this.#random(100);
    if (dice < 70) for (let times = 1 + this.#random(4); times > 0; times -= 1) this.#submit();
    else if (dice < 78) await this.#abort();
    else if (dice < 86) await this.#change();
    else if (dice < 92) await this.#drain();
    else if (dice < 96) await this.#join();
    else await this.#leave();
  }

  #note(act: string): void {
    this.#acts.push(`${this.#model.now}: ${act}`);
  }

  async #join(): Promise<void> {
    this.#result.members += 1;
    const name = `m${this.#result.members}`;
    const kind = this.#random(4) === 0 ? 'filter' : 'backend';
    this.#note(`join ${name} ${kind}`);
    const disk = fastDisk({ size: DISK });
    // null-co knows no discards.
    const file = { driver: 'x-probe', size: DISK };
    const filter: ImageOptions = {
      driver: 'throttle',
      'throttle-group': GROUP,
      discard: 'unmap',
      file,
    };
    await this.#pass(0);
    const blk = await BlockBackend.open(kind === 'backend' ? disk : filter, {
      context: this.#context,
    });
    if (kind === 'backend') blk.ioLimitsEnable(GROUP);
    this.#members.set(name, { blk, kind });
    this.#model.join(name);
  }

  async #leave(): Promise<void> {
    if (this.#model.members.length < 2) return;
    this.#result.departures += 1;
    const name = oneOf(this.#random, this.#model.members);
    this.#note(`leave ${name}`);
    await this.#pass(0);
    this.#model.leave(name);
    const { blk, kind } = this.#member(name);
    this.#members.delete(name);
    // Closing waits for what waits in a node below, and here nobody moves the clock meanwhile.
    if (kind === 'filter') (await blk.drained()).end();
    await blk.close();
  }

  /** Some at once, by one member. */
  #submit(): void {
    const name = oneOf(this.#random, this.#model.members);
    for (let count = 1 + this.#random(6); count > 0; count -= 1) {
      this.#request(name, this.#member(name));
    }
  }

  #request(member: string, { blk, kind }: Member): void {
    const name = `${member}.${this.#result.requests}`;
    this.#result.requests += 1;
    const controller = new AbortController();
    const { signal } = controller;
    const way = this.#random(kind === 'filter' ? 4 : 3);
    const direction: ModelDirection = way === 0 ? 'read' : 'write';
    const longest = way < 2 ? Math.min(buffer.length, this.#largest) : this.#largest;
    const bytes = magnitude(this.#random, 1, longest);
    this.#note(`${name} ${direction} ${bytes}`);
    const before = this.#model.waiting().length;
    this.#model.submit(member, { name, direction, bytes });
    if (this.#model.waiting().length > before) {
      this.#result.throttled += 1;
      // Once a node has a request, it cannot be taken out any more.
      if (kind === 'backend') this.#aborts.set(name, controller);
    }
    const part = buffer.subarray(0, bytes);
    const start = [
      () => blk.pread(0, part, { signal }),
      () => blk.pwrite(0, part, { signal }),
      () => blk.pwriteZeroes(0, bytes, { signal }),
      () => blk.pdiscard(0, bytes),
    ][way] as () => Promise<unknown>;
    this.#dispatches.note(name, start());
  }

  async #abort(): Promise<void> {
    await this.#pass(0);
    const waiting = this.#model.waiting().filter(({ request }) => this.#aborts.has(request.name));
    if (waiting.length === 0) return;
    const { member, request } = oneOf(this.#random, waiting);
    this.#result.aborts += 1;
    this.#note(`abort ${request.name}`);
    this.#model.abort(member, request.name);
    this.#aborts.get(request.name)?.abort();
    await this.#pass(0);
  }

  /** Other limits, the same ones again, or none. */
  async #change(): Promise<void> {
    this.#result.changes += 1;
    const dice = this.#random(6);
    const limits = dice === 0 ? {} : dice === 1 ? this.#limits : this.#otherLimits();
    this.#note(`limits ${JSON.stringify(limits)}`);
    this.#largest = Math.min(this.#largest, largestRequest(limits, DISK));
    await this.#pass(0);
    this.#model.configure(limits);
    this.#group.replace(limits);
    this.#limits = limits;
  }

  /** Such that those that wait already do so for some hours at most. */
  #otherLimits(): ModelLimits {
    const bytes = this.#model.waiting().reduce((sum, { request }) => sum + request.bytes, 0);
    const limits = drawLimits(this.#random);
    return bytes <= largestRequest(limits, DISK) * 60 ? limits : this.#limits;
  }

  async #drain(): Promise<void> {
    const name = oneOf(this.#random, this.#model.members);
    this.#result.sections += 1;
    this.#note(`drain ${name}`);
    await this.#pass(0);
    this.#model.drain(name);
    const section = await this.#member(name).blk.drained();
    section.end();
    await this.#pass(0);
  }

  /** What is due now happens even when no time passes. */
  async #pass(time: number): Promise<void> {
    const end = this.#model.now + time;
    this.#model.advanceTo(end);
    await this.#dispatches.advanceTo(end);
    if (time === 0) await this.#context.advance(0);
    this.#compare();
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`the walk has lost ${name}`);
    return member;
  }

  /** What the product's own clock says, which no step of this walk has a part in. */
  async #compareWaits(): Promise<void> {
    await turn();
    for (const [name, { blk, kind }] of this.#members) {
      if (kind === 'filter') continue;
      const { read, write } = blk.throttleInfo();
      const seen = `${read['throttled-ns']}, ${write['throttled-ns']}`;
      const expected = `${this.#model.waited(name, 'read')}, ${this.#model.waited(name, 'write')}`;
      if (seen !== expected) {
        throw this.#parted(`${name} waited for ${seen} ns, the model for ${expected}`);
      }
    }
  }

  #compare(): void {
    const seen = this.#dispatches.log;
    const expected = this.#model.log;
    for (let index = 0; index < Math.max(seen.length, expected.length); index += 1) {
      const [one, other] = [seen[index], expected[index]];
      if (one?.name === other?.name && one?.when === other?.when) continue;
      const told = (entry = { name: 'nothing', when: Number.NaN }) => `${entry.name}@${entry.when}`;
      throw this.#parted(`dispatch ${index} is ${told(one)}, the model has ${told(other)}`);
    }
  }

  #parted(how: string): Error {
    return new Error(`seed ${this.#seed}: ${how}\n${this.#acts.join('\n')}`);
  }

  async #end(): Promise<void> {
    for (const { blk } of this.#members.values()) await blk.close();
    this.#group.delete();
    await this.#context.close();
  }
}
