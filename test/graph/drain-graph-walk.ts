// A random walk over sections, requests and changes of the graph, compared with the model after
// every step: who is covered by how many sections, what is in flight where, and what ran.
//
// Reads are held in their leaf until the walk lets them go, so that nothing ends by itself and both
// sides can be compared exactly. A step is either one act whose effects take their time, or some
// acts that take effect at once.
import { graph } from '../../lib/graph/graph.js';
import {
  type AioContext,
  appendNode,
  BlockBackend,
  type BlockError,
  type BlockNode,
  type DrainSection,
  drainedAll,
  drainedNode,
  lookupNode,
  ProbeJob,
  probe,
  replaceNode,
  setBackingFile,
} from '../../lib/index.js';
import { type Random, randomNumbers } from '../support/random.js';
import { turn } from '../support/waiting.js';
import { type Change, DrainGraphModel, type RequestKind, type Scope } from './drain-graph-model.js';

const TAG = 'walk';
const SHARED = ['consistent-read', 'write', 'write-unchanged', 'resize'] as const;
const LIMITS = { leaves: 3, overlays: 4, backends: 6, sections: 8, running: 60, changes: 3 };
/** Turns of the loop in which a virtual context, or another thread, must have caught up. */
const PATIENCE = 200_000;

export interface GraphWalkOptions {
  readonly seed: number;
  readonly steps: number;
  readonly context: AioContext;
  /** An image of at least 1 MiB for the leaves; without one they are memory. */
  readonly filename?: string;
}

export interface GraphWalkResult {
  requests: number;
  sections: number;
  /** How often each kind of change succeeded. */
  readonly changes: Record<string, number>;
  /** The most parked requests, and sections over one node, at once. */
  parked: number;
  depth: number;
}

interface Begun {
  readonly id: number;
  readonly section: Promise<DrainSection>;
  quiet: boolean;
}

interface Disk {
  readonly blk: BlockBackend;
  /** What its device was told last. */
  drained: boolean;
}

interface Asked {
  readonly id: number;
  /** Nodes and backends that it names. */
  readonly names: readonly string[];
  result: string | undefined;
}

export class DrainGraphWalk {
  readonly #options: GraphWalkOptions;
  readonly #random: Random;
  readonly #model = new DrainGraphModel();
  readonly #disks = new Map<string, Disk>();
  readonly #jobs = new Map<string, ProbeJob>();
  readonly #begun: Begun[] = [];
  /** Sections that are quiet, for acts that cannot wait for a promise. */
  readonly #sections = new Map<Promise<DrainSection>, DrainSection>();
  /** Changes and closes that were asked for and have not been compared as done. */
  readonly #asked: Asked[] = [];
  /** Of requests that have not ended: how to abort them. */
  readonly #pending = new Map<number, AbortController>();
  readonly #ends = new Map<number, number>();
  readonly #problems: string[] = [];
  readonly #result: GraphWalkResult = {
    requests: 0,
    sections: 0,
    changes: {},
    parked: 0,
    depth: 0,
  };
  readonly #log: string[] = [];
  #next = 0;
  #step = 0;

  constructor(options: GraphWalkOptions) {
    this.#options = options;
    this.#random = randomNumbers(options.seed);
  }

  /** @throws Error with the seed and the step where product and model part. */
  async run(): Promise<GraphWalkResult> {
    for (const kind of ['leaf', 'leaf', 'overlay', 'overlay'] as const) await this.#create(kind);
    for (let index = 0; index < 3; index += 1) this.#createBackend();
    for (this.#step = 1; this.#step <= this.#options.steps; this.#step += 1) {
      if (this.#random(100) < 45) await this.#slowAct();
      else for (let acts = 1 + this.#random(3); acts > 0; acts -= 1) this.#quickAct();
      await this.#compare();
      this.#measure();
    }
    await this.#finish();
    return this.#result;
  }

  // --- acts that take effect at once

  #quickAct(): void {
    const dice = this.#random(100);
    if (dice < 50) this.#submit(1 + this.#random(4));
    else if (dice < 66) this.#begin();
    else if (dice < 94) this.#end();
    else this.#abort();
  }

  #submit(count: number): void {
    const name = this.#pick(this.#model.backends);
    if (name === undefined) return;
    const { blk } = this.#disk(name);
    for (let index = 0; index < count; index += 1) {
      const dice = this.#random(10);
      const kind: RequestKind = dice < 7 ? 'read' : dice < 9 ? 'flush' : 'length';
      if (kind === 'read' && this.#pending.size >= LIMITS.running) continue;
      const id = this.#id();
      this.#note(`${kind} ${id} to ${name}`);
      this.#model.submit(id, name, kind);
      const controller = new AbortController();
      this.#pending.set(id, controller);
      this.#result.requests += 1;
      this.#request(blk, kind, controller.signal).then(
        () => this.#ended(id, 'done'),
        (error: BlockError) =>
          this.#ended(id, error.name === 'AbortError' ? 'aborted' : error.code),
      );
    }
  }

  #request(blk: BlockBackend, kind: RequestKind, signal: AbortSignal): Promise<number> {
    if (kind === 'length') return blk.getLength();
    if (kind === 'flush') return blk.flush({ signal });
    return blk.pread(512 * this.#random(64), Buffer.alloc(512), { signal });
  }

  #ended(id: number, how: string): void {
    this.#pending.delete(id);
    this.#ends.set(id, (this.#ends.get(id) ?? 0) + 1);
    const expected = this.#model.outcome(id) ?? (this.#model.isParked(id) ? 'parked' : 'running');
    if (expected === how) return;
    this.#problems.push(`request ${id} ended with ${how}; in the model it is ${expected}`);
  }

  #begin(): void {
    if (this.#begun.length >= LIMITS.sections) return;
    const scope = this.#scope();
    if (scope === undefined) return;
    const id = this.#id();
    this.#note(`begin ${id}: ${Object.values(scope).join(' ')}`);
    this.#model.begin(id, scope);
    const begun: Begun = { id, section: this.#drained(scope), quiet: false };
    this.#begun.push(begun);
    this.#result.sections += 1;
    void begun.section.then(() => {
      begun.quiet = true;
      if (!this.#model.isQuiet(id)) this.#problems.push(`section ${id} was called quiet`);
    });
  }

  #scope(): Scope | undefined {
    const dice = this.#random(10);
    if (dice === 0) return { kind: 'all' };
    const kind = dice < 4 ? 'backend' : dice < 8 ? 'node' : 'subtree';
    const names = kind === 'backend' ? this.#model.openBackends : this.#model.nodes;
    const name = this.#pick(names);
    return name === undefined ? undefined : { kind, name };
  }

  #drained(scope: Scope): Promise<DrainSection> {
    if (scope.kind === 'all') return drainedAll();
    if (scope.kind === 'backend') return this.#disk(scope.name).blk.drained();
    return drainedNode(scope.name, { subtree: scope.kind === 'subtree' });
  }

  #end(): void {
    const begun = this.#pick(this.#begun.filter(({ quiet }) => quiet));
    if (begun === undefined) return;
    this.#begun.splice(this.#begun.indexOf(begun), 1);
    this.#note(`end ${begun.id}`);
    this.#model.end(begun.id);
    this.#sections.get(begun.section)?.end();
    this.#sections.delete(begun.section);
  }

  #abort(): void {
    const id = this.#pick([...this.#pending.keys()]);
    if (id === undefined) return;
    this.#note(`abort ${id}`);
    this.#model.abort(id);
    this.#pending.get(id)?.abort();
  }

  // --- acts whose effects take their time

  async #slowAct(): Promise<void> {
    const dice = this.#random(100);
    const busy = this.#pick([...this.#jobs].filter(([, job]) => job.busy));
    if (busy !== undefined && dice < 40) this.#setBusy(...busy, false);
    else if (dice < 40) this.#release();
    else if (dice < 44) this.#makeBusy();
    else if (dice < 80) this.#change();
    else if (dice < 86) this.#close();
    else if (dice < 92) this.#createBackend();
    else if (dice < 97) await this.#createNode();
    else await this.#delete();
  }

  #release(): void {
    const leaf = this.#pick(this.#model.nodesOf('leaf'));
    if (leaf === undefined) return;
    this.#note(`release ${leaf}`);
    const should = this.#model.release(leaf);
    const released = probe(leaf).release(TAG);
    probe(leaf).hold('pread', TAG);
    if (released !== should) {
      this.#problems.push(`${leaf} held ${released} reads; the model has ${should}`);
    }
  }

  /** A job is in the middle of something for a while. One that is paused starts nothing. */
  #makeBusy(): void {
    const free = [...this.#jobs.keys()].filter((node) => this.#model.quiesceCount(node) === 0);
    const name = this.#pick(free);
    if (name !== undefined) this.#setBusy(name, this.#jobs.get(name) as ProbeJob, true);
  }

  #setBusy(name: string, job: ProbeJob, busy: boolean): void {
    this.#note(`${name} ${busy ? 'busy' : 'idle'}`);
    job.busy = busy;
    this.#model.setBusy(name, busy);
    graph().drains.kick();
  }

  #change(): void {
    // A close that waits may queue at any moment, before or after this one.
    if (this.#asked.length >= LIMITS.changes || this.#model.closingBackends.length > 0) return;
    const change = this.#drawChange();
    if (change === undefined) return;
    const { kind, ...others } = change;
    const names = Object.values(others).filter((name) => name !== undefined);
    const taken = new Set(this.#asked.flatMap((asked) => asked.names));
    if (new Set(names).size < names.length || names.some((name) => taken.has(name))) return;
    const id = this.#id();
    this.#note(`${kind} ${names.join(' ')} as ${id}`);
    this.#model.change(id, change);
    this.#await(id, kind, names, this.#perform(change));
  }

  #drawChange(): Change | undefined {
    const nodes = [...this.#jobs.keys()];
    const node = this.#pick(nodes);
    const other = this.#pick(nodes);
    const backend = this.#pick(this.#model.openBackends);
    const overlay = this.#pick(this.#model.nodesOf('overlay'));
    if (node === undefined || other === undefined) return undefined;
    const dice = this.#random(10);
    if (dice < 5 && backend !== undefined) {
      const isEmpty = this.#model.root(backend) === undefined;
      if (isEmpty) return { kind: 'insert', backend, node };
      return dice < 2 ? { kind: 'remove', backend } : { kind: 'replace root', backend, node };
    }
    if (dice === 5) return { kind: 'replace', from: node, to: other };
    if (overlay === undefined) return undefined;
    const stands = this.#model.below(overlay) !== undefined;
    if (!stands && dice > 7) return { kind: 'append', overlay, top: node };
    return { kind: 'set backing', node: overlay, to: stands && dice > 7 ? undefined : node };
  }

  #perform(change: Change): Promise<void> {
    switch (change.kind) {
      case 'insert':
        return this.#disk(change.backend).blk.insert(change.node);
      case 'remove':
        return this.#disk(change.backend).blk.remove();
      case 'replace root':
        return this.#disk(change.backend).blk.replaceRoot(change.node);
      case 'set backing':
        return setBackingFile(change.node, change.to ?? null);
      case 'append':
        return appendNode(change.overlay, change.top);
      case 'replace':
        return replaceNode(change.from, change.to);
    }
  }

  #close(): void {
    const taken = new Set(this.#asked.flatMap(({ names }) => names));
    const name = this.#pick(this.#model.openBackends.filter((open) => !taken.has(open)));
    if (name === undefined) return;
    const id = this.#id();
    this.#note(`close ${name} as ${id}`);
    const { blk } = this.#disk(name);
    this.#model.close(id, name);
    this.#await(id, 'close', [name], blk.close());
  }

  #await(id: number, kind: string, names: readonly string[], done: Promise<void>): void {
    const asked: Asked = { id, names, result: undefined };
    this.#asked.push(asked);
    done.then(
      () => {
        asked.result = 'done';
        this.#count(kind);
      },
      (error: BlockError) => {
        asked.result = error.code;
      },
    );
  }

  #count(kind: string): void {
    this.#result.changes[kind] = (this.#result.changes[kind] ?? 0) + 1;
  }

  #createBackend(): void {
    if (this.#disks.size >= LIMITS.backends) return;
    const name = `disk${this.#id()}`;
    this.#note(`create ${name}`);
    const { context } = this.#options;
    const blk = new BlockBackend({ context, permissions: ['consistent-read'], shared: SHARED });
    const disk: Disk = { blk, drained: false };
    blk.setDeviceOps({
      drainedBegin: () => this.#told(disk, name, true),
      drainedEnd: () => this.#told(disk, name, false),
    });
    this.#disks.set(name, disk);
    this.#model.addBackend(name);
  }

  #told(disk: Disk, name: string, drained: boolean): void {
    if (disk.drained === drained) this.#problems.push(`${name} was told twice: ${drained}`);
    disk.drained = drained;
  }

  async #createNode(): Promise<void> {
    const kind = this.#random(2) === 0 ? 'leaf' : 'overlay';
    const limit = kind === 'leaf' ? LIMITS.leaves : LIMITS.overlays;
    // It would queue behind the changes that wait.
    if (this.#asked.length > 0 || this.#model.nodesOf(kind).length >= limit) return;
    await this.#create(kind);
  }

  async #create(kind: 'leaf' | 'overlay'): Promise<void> {
    const { context } = this.#options;
    const name = `${kind}${this.#id()}`;
    this.#note(`create ${name}`);
    this.#count('create');
    const options = { driver: 'x-probe', 'node-name': name, 'read-only': true };
    const file = { ...this.#fileOptions(), 'node-name': `${name}-file`, 'read-only': true };
    const all = kind === 'leaf' ? { ...options, filter: true, file } : options;
    const settings = { context, permissions: ['consistent-read'], shared: SHARED } as const;
    const blk = await BlockBackend.open(all, settings);
    // The job keeps the node, and keeps it in the context.
    const job = new ProbeJob(`job of ${name}`, { pinsContext: true });
    await job.attach(blk.root as BlockNode);
    await blk.close();
    this.#jobs.set(name, job);
    if (kind === 'leaf') {
      probe(name).hold('pread', TAG);
      this.#model.addNode(`${name}-file`, 'file');
    }
    this.#model.addNode(name, kind, kind === 'leaf' ? `${name}-file` : undefined);
  }

  #fileOptions(): { driver: string } & Record<string, unknown> {
    const { filename } = this.#options;
    if (filename === undefined) return { driver: 'null-co', size: 1 << 20 };
    return { driver: 'file', filename };
  }

  async #delete(): Promise<void> {
    if (this.#asked.length > 0) return;
    const name = this.#pick(
      [...this.#jobs.keys()].filter(
        (node) => !this.#model.isUsed(node) && !this.#model.isBusy(node),
      ),
    );
    if (name !== undefined) await this.#deleteNode(name);
  }

  async #deleteNode(name: string): Promise<void> {
    this.#note(`delete ${name}`);
    this.#count('delete');
    const job = this.#jobs.get(name) as ProbeJob;
    this.#jobs.delete(name);
    await job.detach();
    this.#model.deleteNode(name);
    if (job.pauseCount !== 0) this.#problems.push(`${job.describe()} is still paused`);
  }

  // --- comparing

  async #compare(): Promise<void> {
    for (let turns = 0; ; turns += 1) {
      if (this.#options.context.home === 'virtual') await this.#options.context.advance(0);
      await turn();
      await this.#noteQuiet();
      const difference = this.#difference();
      if (this.#problems.length === 0 && difference === '') break;
      if (this.#problems.length > 0 || turns > PATIENCE) {
        this.#fail([...this.#problems, difference].join('; '));
      }
    }
    for (const asked of this.#asked.filter(({ result }) => result !== undefined)) {
      this.#asked.splice(this.#asked.indexOf(asked), 1);
    }
    for (const name of [...this.#disks.keys()]) {
      if (!this.#model.backends.includes(name)) this.#disks.delete(name);
    }
  }

  async #noteQuiet(): Promise<void> {
    for (const { quiet, section } of this.#begun) {
      if (quiet && !this.#sections.has(section)) this.#sections.set(section, await section);
    }
  }

  #difference(): string {
    return (
      this.#backendDifference() ||
      this.#nodeDifference() ||
      this.#changeDifference() ||
      this.#requestDifference() ||
      this.#sectionDifference()
    );
  }

  #backendDifference(): string {
    const all = BlockBackend.all();
    for (const [name, { blk, drained }] of this.#disks) {
      const isThere = this.#model.backends.includes(name);
      if (isThere !== all.includes(blk)) return `${name} is ${isThere ? 'gone' : 'still there'}`;
      if (!isThere) continue;
      const { inFlight, parked, quiesceCount, root } = blk;
      const model = this.#model;
      const is = describe(inFlight, parked, quiesceCount, drained, root?.name);
      const count = model.quiesceCount(name);
      const should = describe(
        model.inFlight(name),
        model.parked(name),
        count,
        count > 0,
        model.root(name),
      );
      if (is !== should) return `${name} has ${is}; the model has ${should}`;
    }
    return '';
  }

  #nodeDifference(): string {
    for (const name of this.#model.nodes) {
      const node = lookupNode('', name);
      const is = this.#describeNode(name, node);
      const model = this.#model;
      const count = model.quiesceCount(name);
      const isFile = !this.#jobs.has(name);
      const starts = isFile ? 0 : model.starts(name);
      const should = `${count} sections, ${isFile ? 0 : count} pauses, ${isFile ? 0 : count} hooks, ${model.inFlight(name)} in flight, ${starts} reads, over ${model.below(name)}`;
      if (is !== should) return `${name} has ${is}; the model has ${should}`;
    }
    return '';
  }

  #describeNode(name: string, node: BlockNode): string {
    const { quiesce, inFlight } = node.info();
    const below = node.children[0]?.edge.child.name;
    const job = this.#jobs.get(name);
    if (job === undefined) {
      return `${quiesce} sections, 0 pauses, 0 hooks, ${inFlight} in flight, 0 reads, over ${below}`;
    }
    const calls = probe(node);
    const hooks = calls.calls('drainedBegin') - calls.calls('drainedEnd');
    return `${quiesce} sections, ${job.pauseCount} pauses, ${hooks} hooks, ${inFlight} in flight, ${calls.calls('pread')} reads, over ${below}`;
  }

  #changeDifference(): string {
    for (const { id, result } of this.#asked) {
      const should = this.#model.result(id);
      if (result !== should) return `change ${id} is ${result}; in the model it is ${should}`;
    }
    return '';
  }

  #requestDifference(): string {
    for (const id of this.#pending.keys()) {
      const outcome = this.#model.outcome(id);
      if (outcome !== undefined) return `request ${id} has not ended; the model has ${outcome}`;
    }
    return '';
  }

  #sectionDifference(): string {
    const late = this.#begun.find(({ id, quiet }) => !quiet && this.#model.isQuiet(id));
    if (late !== undefined) return `section ${late.id} is quiet, and nobody was told`;
    const broken = this.#begun.find(({ id, quiet }) => quiet && !this.#model.isQuiet(id));
    return broken === undefined ? '' : `section ${broken.id} was quiet, and is not any more`;
  }

  // --- the end

  /** Lets everything end, and closes everything. */
  async #finish(): Promise<void> {
    for (const [name, job] of this.#jobs) if (job.busy) this.#setBusy(name, job, false);
    await this.#compare();
    while (this.#asked.length > 0 || this.#begun.length > 0 || this.#pending.size > 0) {
      for (const leaf of this.#model.nodesOf('leaf')) {
        this.#note(`release ${leaf}`);
        this.#model.release(leaf);
        probe(leaf).release(TAG);
        probe(leaf).hold('pread', TAG);
        await this.#compare();
      }
      this.#end();
      await this.#compare();
    }
    for (const name of this.#model.openBackends) {
      const id = this.#id();
      this.#model.close(id, name);
      this.#await(id, 'close', [name], this.#disk(name).blk.close());
    }
    await this.#compare();
    while (this.#jobs.size > 0) {
      const unused = [...this.#jobs.keys()].filter((name) => !this.#model.isUsed(name));
      for (const name of unused) await this.#deleteNode(name);
      await this.#compare();
    }
    const wrong = [...this.#ends.values()].filter((ends) => ends !== 1).length;
    if (wrong > 0) this.#fail(`${wrong} requests ended more than once`);
    if (this.#ends.size !== this.#result.requests) {
      this.#fail(`${this.#ends.size} of ${this.#result.requests} requests ended`);
    }
  }

  #measure(): void {
    const { backends, nodes } = this.#model;
    const parked = backends.map((name) => this.#model.parked(name));
    const depths = nodes.map((name) => this.#model.quiesceCount(name));
    this.#result.parked = Math.max(this.#result.parked, ...parked);
    this.#result.depth = Math.max(this.#result.depth, ...depths);
  }

  #disk(name: string): Disk {
    return this.#disks.get(name) as Disk;
  }

  #id(): number {
    this.#next += 1;
    return this.#next;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#random(Math.max(1, items.length))];
  }

  #note(act: string): void {
    this.#log.push(`${this.#step}: ${act}`);
    if (this.#log.length > 30) this.#log.shift();
  }

  #fail(what: string): never {
    const { seed } = this.#options;
    throw new Error(`seed ${seed}, step ${this.#step}: ${what}\n${this.#log.join('\n')}`);
  }
}

function describe(
  inFlight: number,
  parked: number,
  quiesce: number,
  drained: boolean,
  node: string | undefined,
): string {
  const device = drained ? 'drained' : 'active';
  return `${inFlight} in flight, ${parked} parked, ${quiesce} sections, a device ${device}, ${node}`;
}
