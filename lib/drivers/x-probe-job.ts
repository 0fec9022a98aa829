// A user of nodes that is neither a node nor a backend, as block jobs are: for tests of graphs.

import { AioContext } from '../aio/context.js';
import type { DrainMember } from '../graph/drain.js';
import { Edge, type GraphParent } from '../graph/edge.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { callForeign } from '../graph/notifiers.js';
import { type Grant, NO_GRANT } from '../graph/permissions.js';
import { afterUser } from '../graph/users.js';

/** What a {@link ProbeJob} needs of its nodes. */
export interface ProbeJobOptions {
  readonly wants?: Grant | undefined;
  /** Default: true. */
  readonly stayPut?: boolean | undefined;
  /** Its nodes stay in their context when their other users leave. Default: false. */
  readonly pinsContext?: boolean | undefined;
}

/** A job is paused once by each of its edges that leads to a drained node (DRAIN-36). */
class JobEdge implements DrainMember {
  readonly #job: ProbeJob;

  constructor(job: ProbeJob) {
    this.#job = job;
  }

  quiesce(begin: boolean): void {
    this.#job.pause(begin);
  }

  inFlight(): number {
    return 0;
  }

  drainedPoll(): boolean {
    return this.#job.drainedPoll();
  }

  drainParents(): Iterable<DrainMember> {
    return [];
  }
}

/** Makes progress by itself while no drained section covers any of its nodes. */
export class ProbeJob implements GraphParent {
  /** What sort of a parent it is. */
  readonly kind = 'block-job';
  /** Shown in errors. */
  readonly name: string;
  /** Always empty: it is no backend. */
  readonly deviceName = '';
  /** By default it goes wherever its nodes go (CTX-10). */
  readonly pinsContext: boolean;
  /** To the nodes that it uses. */
  readonly edges: Edge[] = [];
  /** What it needs of each of its nodes. */
  wants: Grant;
  /** Its edges stay where they are when others move to a new node (GRAPH-19). */
  readonly stayPut: boolean;
  /** It is in the middle of something: a section that covers it is not quiet. */
  busy = false;
  /** Steps that were done. */
  progress = 0;
  /** How often a section began to cover it. */
  begins = 0;
  /** How often one ended. */
  ends = 0;
  /** How often it was asked whether it is busy. */
  polls = 0;
  /** How often it was moved to another context. */
  moves = 0;
  /** The work of one step. What it throws is `error`, and ends the steps. */
  onStep: (() => void) | undefined;
  /** What a step threw. */
  error: unknown;
  /** Called when the first section pauses it, and when the last one resumes it. */
  onPause: (() => void) | undefined;
  /** Called when the last section resumes it. */
  onResume: (() => void) | undefined;
  readonly #members = new WeakMap<Edge, JobEdge>();
  #context = AioContext.main;
  #step: NodeJS.Immediate | undefined;

  /** It does not run yet. */
  constructor(
    name: string,
    { wants = NO_GRANT, stayPut = true, pinsContext = false }: ProbeJobOptions = {},
  ) {
    this.name = name;
    this.pinsContext = pinsContext;
    this.wants = wants;
    this.stayPut = stayPut;
  }

  /** How many drained sections cover it, each counted once for every edge. */
  get pauseCount(): number {
    return this.begins - this.ends;
  }

  /** It was started and not stopped. */
  get isRunning(): boolean {
    return this.#step !== undefined;
  }

  /** From now on one step of progress per turn of the loop, sections aside. */
  start(): void {
    this.#step ??= setImmediate(() => {
      this.#step = undefined;
      if (this.pauseCount === 0) this.#work();
      if (this.error === undefined) this.start();
    });
  }

  #work(): void {
    try {
      this.onStep?.();
      this.progress += 1;
    } catch (error) {
      this.error = error;
    }
  }

  /** No step from now on. */
  stop(): void {
    clearImmediate(this.#step);
    this.#step = undefined;
  }

  /** @internal */
  describe(): string {
    return `job '${this.name}'`;
  }

  // It sends no requests, so native/ need not know its edges.

  /** @internal */
  mirror(): number {
    return 0;
  }

  /** @internal */
  mirrorRemoved(): number {
    return 0;
  }

  /** @internal */
  graphChanged(): void {}

  /** @internal */
  wantedGrant(): Grant {
    return this.wants;
  }

  /** @internal */
  refusesMove(): undefined {
    return undefined;
  }

  /** @internal */
  moved(to: AioContext): void {
    this.#context = to;
    this.moves += 1;
  }

  /** @internal */
  get context(): AioContext {
    return this.#context;
  }

  /** Becomes a user of a node. @throws (rejects) BlockError EPERM, as for every user. */
  async attach(node: BlockNode): Promise<Edge> {
    const edge = new Edge(this, 'job', node, 0, this.edges.length);
    await graph().lock.run(`attach ${this.describe()}`, (change) =>
      graph().transactQuietly(change, (transaction) => transaction.attachUser(edge)),
    );
    this.edges.push(edge);
    this.#context = node.context;
    return edge;
  }

  /** Lets go of all its nodes; those without other users are closed. */
  async detach(): Promise<void> {
    const edges = this.edges.splice(0);
    await graph().lock.run(`detach ${this.describe()}`, async (change) => {
      await graph().transactQuietly(change, (transaction) => {
        for (const edge of edges) transaction.detach(edge);
      });
      for (const { child } of edges) await afterUser(graph(), child, change);
    });
  }

  /** @internal */
  pause(begin: boolean): void {
    if (begin) this.begins += 1;
    else this.ends += 1;
    if (begin && this.pauseCount === 1) callForeign(() => this.onPause?.(), undefined);
    if (!begin && this.pauseCount === 0) callForeign(() => this.onResume?.(), undefined);
  }

  /** @internal */
  drainMember(edge: Edge): DrainMember {
    const member = this.#members.get(edge) ?? new JobEdge(this);
    this.#members.set(edge, member);
    return member;
  }

  /** Sections reach it through its edges. */
  quiesce(): void {}

  /** @internal */
  inFlight(): number {
    return 0;
  }

  /** @internal */
  drainedPoll(): boolean {
    this.polls += 1;
    return this.busy;
  }

  /** @internal */
  drainParents(): Iterable<DrainMember> {
    return [];
  }
}
