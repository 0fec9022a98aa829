// Drained sections as section 20 of QEMU's behaviour says they are, in plain data: which requests of
// which backends run, wait or are done. It knows nothing of the package.

export type RequestState = 'running' | 'parked' | 'done' | 'aborted' | 'no medium';

interface ModelRequest {
  readonly backend: string;
  state: RequestState;
  /** When it ends, for models with a clock. */
  due: number;
}

interface ModelBackend {
  open: boolean;
  /** Requests in flight are still waited for; it covers and is covered until they are done. */
  closing: boolean;
  /** Parked requests, oldest first. */
  queue: number[];
}

interface ModelSection {
  /** The backend whose node it was begun on; undefined: all of them. */
  readonly of: string | undefined;
}

/** Who is above whose node: `above.get('base')` lists the backends that a drain of it reaches. */
export type Topology = ReadonlyMap<string, readonly string[]>;

export class DrainModel {
  readonly #above: Topology;
  readonly #latency: ReadonlyMap<string, number>;
  readonly #backends = new Map<string, ModelBackend>();
  readonly #requests = new Map<number, ModelRequest>();
  readonly #running = new Set<number>();
  readonly #sections = new Map<number, ModelSection>();
  now = 0;

  constructor(above: Topology, latency: ReadonlyMap<string, number>) {
    this.#above = above;
    this.#latency = latency;
    for (const name of above.keys()) {
      this.#backends.set(name, { open: true, closing: false, queue: [] });
    }
  }

  isOpen(name: string): boolean {
    return this.#backend(name).open;
  }

  isClosing(name: string): boolean {
    return this.#backend(name).closing;
  }

  state(request: number): RequestState | undefined {
    return this.#requests.get(request)?.state;
  }

  inFlight(name: string): number {
    let count = 0;
    for (const id of this.#running) if (this.#request(id).backend === name) count += 1;
    return count;
  }

  parked(name: string): number {
    return this.#backend(name).queue.length;
  }

  /** Sections that hold the backend, those of closing ones included: each is one over its node. */
  quiesceCount(name: string): number {
    const { open, closing } = this.#backend(name);
    if (!open && !closing) return 0;
    const ends = [...this.#backends].filter(([, backend]) => backend.closing);
    const sections = [...this.#sections.values(), ...ends.map(([of]) => ({ of }))];
    return sections.filter((section) => this.#covers(section, name)).length;
  }

  /** Nothing runs in what the section covers. An ended section is quiet, too. */
  isQuiet(section: number): boolean {
    const found = this.#sections.get(section);
    return found === undefined || this.#nothingRunsIn(found);
  }

  /** Nothing keeps a closing backend from letting go of its node. */
  canClose(name: string): boolean {
    return this.#nothingRunsIn({ of: name });
  }

  submit(id: number, backend: string): void {
    const { open, queue } = this.#backend(backend);
    const request: ModelRequest = { backend, state: 'parked', due: 0 };
    this.#requests.set(id, request);
    if (!open) {
      request.state = 'no medium';
    } else if (this.quiesceCount(backend) > 0) {
      queue.push(id);
    } else {
      this.#start(id);
    }
  }

  /** A running request has ended. @throws when it was not running. */
  complete(id: number): void {
    if (!this.#running.delete(id)) {
      throw new Error(`request ${id} ended, which is ${this.state(id) ?? 'unknown'}`);
    }
    this.#request(id).state = 'done';
  }

  /** Moves the clock; what becomes due ends. */
  advance(time: number): void {
    this.now += time;
    for (const id of [...this.#running]) if (this.#request(id).due <= this.now) this.complete(id);
  }

  /** True when the request leaves the queue. */
  abort(id: number): boolean {
    const request = this.#request(id);
    if (request.state !== 'parked') return false;
    const { queue } = this.#backend(request.backend);
    queue.splice(queue.indexOf(id), 1);
    request.state = 'aborted';
    return true;
  }

  begin(section: number, of: string | undefined): void {
    this.#sections.set(section, { of });
  }

  end(section: number): void {
    this.#sections.delete(section);
    this.#release();
  }

  close(name: string): void {
    const backend = this.#backend(name);
    backend.open = false;
    backend.closing = true;
    for (const id of backend.queue.splice(0)) this.#request(id).state = 'no medium';
  }

  /** The backend has let go of its node, and no longer counts. */
  closed(name: string): void {
    this.#backend(name).closing = false;
    this.#release();
  }

  /** A new backend of that name joins the sections that reach it. */
  open(name: string): void {
    this.#backend(name).open = true;
  }

  /** Ends the sections that were begun on a backend which is gone. */
  forgetSectionsOf(name: string): void {
    for (const [id, { of }] of this.#sections) if (of === name) this.#sections.delete(id);
  }

  #nothingRunsIn(section: ModelSection): boolean {
    return ![...this.#running].some((id) => this.#covers(section, this.#request(id).backend));
  }

  #covers({ of }: ModelSection, name: string): boolean {
    if (of === undefined || of === name) return true;
    const { open, closing } = this.#backend(of);
    // What has no node reaches nobody above it.
    return (open || closing) && (this.#above.get(of) ?? []).includes(name);
  }

  /** Whatever nothing holds any more starts, in order. */
  #release(): void {
    for (const [name, { queue }] of this.#backends) {
      if (queue.length === 0 || this.quiesceCount(name) > 0) continue;
      for (const id of queue.splice(0)) this.#start(id);
    }
  }

  #start(id: number): void {
    const request = this.#request(id);
    request.state = 'running';
    request.due = this.now + (this.#latency.get(request.backend) ?? 0);
    this.#running.add(id);
  }

  #backend(name: string): ModelBackend {
    return this.#backends.get(name) as ModelBackend;
  }

  #request(id: number): ModelRequest {
    return this.#requests.get(id) as ModelRequest;
  }
}
