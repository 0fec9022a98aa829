// Drained sections while the graph changes, in plain data: who is covered by how many, what runs
// where, and when a change may happen. It knows nothing of the package.
//
// A node is a leaf, whose reads run until they are let go; an overlay, which asks what it stands on
// and has an answer at once when it stands on nothing; or the file of a leaf. Every node but a file
// has a job on it that stays there. Changes run one at a time, first come, first served: each begins
// a section of its own, waits until that is quiet, and is done in one moment.

export type Outcome = 'done' | 'ENOMEDIUM' | 'aborted';
export type RequestKind = 'read' | 'flush' | 'length';

export type Scope =
  | { readonly kind: 'all' }
  | { readonly kind: 'backend'; readonly name: string }
  | { readonly kind: 'node' | 'subtree'; readonly name: string };

export type Change =
  | { readonly kind: 'insert' | 'replace root'; readonly backend: string; readonly node: string }
  | { readonly kind: 'remove'; readonly backend: string }
  | { readonly kind: 'set backing'; readonly node: string; readonly to: string | undefined }
  | { readonly kind: 'append'; readonly overlay: string; readonly top: string }
  | { readonly kind: 'replace'; readonly from: string; readonly to: string };

interface ModelNode {
  readonly kind: 'leaf' | 'overlay' | 'file';
  /** What it stands on; the file of a leaf. */
  below: string | undefined;
  /** Its job is in the middle of something. */
  busy: boolean;
  /** Reads that have reached it. */
  starts: number;
}

interface ModelBackend {
  node: string | undefined;
  closing: boolean;
  /** Parked requests, oldest first. */
  readonly queue: number[];
}

interface ModelRequest {
  readonly backend: string;
  readonly kind: RequestKind;
  /** The nodes that it has reached, while it runs. */
  path: readonly string[];
  outcome: Outcome | undefined;
}

interface Pending {
  readonly id: number;
  readonly scope: () => string[];
  readonly apply: () => string;
  begun: boolean;
  /** What it would bring under sections of others: it waits for those, too. */
  readonly joiners: Set<string>;
}

export class DrainGraphModel {
  readonly #nodes = new Map<string, ModelNode>();
  readonly #backends = new Map<string, ModelBackend>();
  readonly #requests = new Map<number, ModelRequest>();
  /** Reads that a leaf has, oldest first. */
  readonly #running = new Set<number>();
  readonly #sections = new Map<number, Scope>();
  readonly #pending: Pending[] = [];
  readonly #results = new Map<number, string>();
  /** Closes that wait for their requests; then they queue as changes. */
  readonly #closes = new Map<string, number>();

  // --- what it says

  get nodes(): string[] {
    return [...this.#nodes.keys()];
  }

  nodesOf(kind: ModelNode['kind']): string[] {
    return this.nodes.filter((name) => this.#node(name).kind === kind);
  }

  get backends(): string[] {
    return [...this.#backends.keys()];
  }

  get openBackends(): string[] {
    return this.backends.filter((name) => !this.#backend(name).closing);
  }

  get closingBackends(): string[] {
    return this.backends.filter((name) => this.#backend(name).closing);
  }

  get pendingChanges(): number {
    return this.#pending.length;
  }

  root(backend: string): string | undefined {
    return this.#backend(backend).node;
  }

  below(node: string): string | undefined {
    return this.#node(node).below;
  }

  isUsed(node: string): boolean {
    return this.#above(node).length > 0;
  }

  isBusy(node: string): boolean {
    return this.#node(node).busy;
  }

  starts(node: string): number {
    return this.#node(node).starts;
  }

  parked(backend: string): number {
    return this.#backends.get(backend)?.queue.length ?? 0;
  }

  /** Of a node or a backend. */
  inFlight(member: string): number {
    const requests = [...this.#running].map((id) => this.#request(id));
    return requests.filter(({ backend, path }) => backend === member || path.includes(member))
      .length;
  }

  /** Sections that cover a node or a backend, those of changes and of its own closing included. */
  quiesceCount(member: string): number {
    return [...this.#coverings().values()].filter((covered) => covered.has(member)).length;
  }

  /** Nothing is under way in what the section covers. One that has ended is quiet, too. */
  isQuiet(section: number): boolean {
    const scope = this.#sections.get(section);
    return scope === undefined || this.#isQuiet(this.#upward(this.#roots(scope)));
  }

  /** 'done' or an error's code; undefined while the change waits. */
  result(change: number): string | undefined {
    return this.#results.get(change);
  }

  outcome(request: number): Outcome | undefined {
    return this.#request(request).outcome;
  }

  isParked(request: number): boolean {
    const { backend } = this.#request(request);
    return this.#backends.get(backend)?.queue.includes(request) === true;
  }

  // --- what happens to it

  addNode(name: string, kind: ModelNode['kind'], below?: string): void {
    this.#nodes.set(name, { kind, below, busy: false, starts: 0 });
  }

  /** A leaf goes with its file. */
  deleteNode(name: string): void {
    const { kind, below } = this.#node(name);
    this.#nodes.delete(name);
    if (kind === 'leaf' && below !== undefined) this.#nodes.delete(below);
    this.#settle();
  }

  addBackend(name: string): void {
    this.#backends.set(name, { node: undefined, closing: false, queue: [] });
  }

  submit(id: number, backend: string, kind: RequestKind): void {
    const request: ModelRequest = { backend, kind, path: [], outcome: undefined };
    this.#requests.set(id, request);
    const { closing, queue } = this.#backend(backend);
    if (closing) request.outcome = 'ENOMEDIUM';
    else if (kind !== 'length' && this.quiesceCount(backend) > 0) queue.push(id);
    else this.#start(id);
    this.#settle();
  }

  abort(id: number): void {
    if (!this.isParked(id)) return;
    const { queue } = this.#backend(this.#request(id).backend);
    queue.splice(queue.indexOf(id), 1);
    this.#request(id).outcome = 'aborted';
    this.#settle();
  }

  /** All reads that run in a leaf end. */
  release(leaf: string): number {
    const ended = [...this.#running].filter((id) => this.#request(id).path.at(-1) === leaf);
    for (const id of ended) {
      this.#running.delete(id);
      this.#request(id).outcome = 'done';
    }
    this.#settle();
    return ended.length;
  }

  setBusy(node: string, busy: boolean): void {
    this.#node(node).busy = busy;
    this.#settle();
  }

  begin(section: number, scope: Scope): void {
    this.#sections.set(section, scope);
  }

  end(section: number): void {
    this.#sections.delete(section);
    this.#settle();
  }

  change(id: number, change: Change): void {
    this.#pending.push(this.#planned(id, change));
    this.#settle();
  }

  close(id: number, backend: string): void {
    const closing = this.#backend(backend);
    closing.closing = true;
    for (const request of closing.queue.splice(0)) this.#request(request).outcome = 'ENOMEDIUM';
    this.#closes.set(backend, id);
    this.#settle();
  }

  // --- how

  #settle(): void {
    for (;;) {
      this.#startParked();
      if (this.#queueClose()) continue;
      const [head] = this.#pending;
      if (head === undefined) return;
      head.begun = true;
      if (!this.#isQuiet(this.#upward(this.#starts(head)))) return;
      if (this.#findJoiners(head)) continue;
      this.#results.set(head.id, head.apply());
      this.#pending.shift();
    }
  }

  /** Tries the change on the plain data and takes it back. */
  #findJoiners(head: Pending): boolean {
    const before = this.#coverings();
    const own = before.get('change');
    const nodes = structuredClone([...this.#nodes]);
    const roots = this.backends.map((name) => [name, { ...this.#backend(name) }] as const);
    head.apply();
    const after = this.#coverings();
    this.#nodes.clear();
    for (const [name, node] of nodes) this.#nodes.set(name, node);
    this.#backends.clear();
    for (const [name, backend] of roots) this.#backends.set(name, backend);
    const count = head.joiners.size;
    for (const [key, covered] of after) {
      if (key === 'change') continue;
      for (const name of covered) {
        if (!before.get(key)?.has(name) && !own?.has(name)) head.joiners.add(name);
      }
    }
    return head.joiners.size > count;
  }

  #starts(pending: Pending): string[] {
    return [...pending.scope(), ...pending.joiners];
  }

  #startParked(): void {
    for (const [name, { queue }] of this.#backends) {
      if (queue.length === 0 || this.quiesceCount(name) > 0) continue;
      for (const id of queue.splice(0)) this.#start(id);
    }
  }

  #queueClose(): boolean {
    for (const [backend, id] of this.#closes) {
      if (!this.#isQuiet(this.#upward([backend]))) continue;
      this.#closes.delete(backend);
      const apply = (): string => {
        this.#backends.delete(backend);
        return 'done';
      };
      this.#pending.push({ id, scope: () => [backend], apply, begun: false, joiners: new Set() });
      return true;
    }
    return false;
  }

  #start(id: number): void {
    const request = this.#request(id);
    const { node } = this.#backend(request.backend);
    if (node === undefined) {
      request.outcome = 'ENOMEDIUM';
      return;
    }
    const path = this.#path(node);
    const leaf = path.at(-1) as string;
    if (request.kind === 'read') for (const name of path) this.#node(name).starts += 1;
    if (request.kind !== 'read' || this.#node(leaf).kind !== 'leaf') {
      request.outcome = 'done';
      return;
    }
    request.path = path;
    this.#running.add(id);
  }

  /** From a node down to its leaf, or to an overlay that stands on nothing. */
  #path(node: string): string[] {
    const path = [node];
    for (let name = node; this.#node(name).kind === 'overlay'; ) {
      const { below } = this.#node(name);
      if (below === undefined) break;
      path.push(below);
      name = below;
    }
    return path;
  }

  #planned(id: number, change: Change): Pending {
    const plan = (scope: () => (string | undefined)[], apply: () => string): Pending => ({
      id,
      begun: false,
      joiners: new Set(),
      scope: () => scope().filter((name) => name !== undefined),
      apply,
    });
    switch (change.kind) {
      case 'insert':
        return plan(
          () => [change.backend],
          () => this.#lead(change.backend, change.node),
        );
      case 'remove':
        return plan(
          () => [change.backend],
          () => this.#lead(change.backend, undefined),
        );
      case 'replace root':
        return plan(
          () => [this.root(change.backend), change.node, change.backend],
          () => this.#lead(change.backend, change.node),
        );
      case 'set backing':
        return plan(
          () => [change.node, this.below(change.node), change.to],
          () => this.#setBacking(change.node, change.to),
        );
      case 'append':
        return plan(
          () => [change.overlay, change.top],
          () => this.#append(change.overlay, change.top),
        );
      case 'replace':
        return plan(
          () => [change.from, change.to],
          () => this.#leadUsers(change.from, change.to),
        );
    }
  }

  #lead(backend: string, node: string | undefined): string {
    this.#backend(backend).node = node;
    return 'done';
  }

  #setBacking(node: string, to: string | undefined): string {
    if (to !== undefined && this.#below(to).has(node)) return 'EINVAL';
    this.#node(node).below = to;
    return 'done';
  }

  #append(overlay: string, top: string): string {
    if (this.#below(top).has(overlay)) return 'EINVAL';
    this.#leadUsers(top, overlay);
    this.#node(overlay).below = top;
    return 'done';
  }

  /** Those that `to` itself stands on stay: no circle. */
  #leadUsers(from: string, to: string): string {
    const below = this.#below(to);
    for (const user of this.#above(from)) {
      if (below.has(user)) continue;
      const backend = this.#backends.get(user);
      if (backend !== undefined) backend.node = to;
      else this.#node(user).below = to;
    }
    return 'done';
  }

  #roots(scope: Scope): string[] {
    if (scope.kind === 'all') return [...this.nodes, ...this.backends];
    if (!this.#nodes.has(scope.name) && !this.#backends.has(scope.name)) return [];
    if (scope.kind === 'node') return [scope.name];
    if (scope.kind === 'subtree') return [...this.#below(scope.name)];
    const node = this.root(scope.name);
    return node === undefined ? [scope.name] : [node, scope.name];
  }

  /** What every section covers, those of changes and closings included. */
  #coverings(): Map<string, Set<string>> {
    const [head] = this.#pending;
    const found = new Map<string, Set<string>>();
    for (const [id, scope] of this.#sections) {
      found.set(`section ${id}`, this.#upward(this.#roots(scope)));
    }
    for (const name of this.closingBackends) found.set(`close ${name}`, this.#upward([name]));
    if (head?.begun === true) found.set('change', this.#upward(this.#starts(head)));
    return found;
  }

  #isQuiet(covered: ReadonlySet<string>): boolean {
    for (const name of covered) {
      if (this.inFlight(name) > 0 || this.#nodes.get(name)?.busy === true) return false;
    }
    return true;
  }

  #upward(roots: readonly string[]): Set<string> {
    const found = new Set(roots);
    for (const name of found) for (const user of this.#above(name)) found.add(user);
    return found;
  }

  #below(node: string): Set<string> {
    const found = new Set([node]);
    for (const name of found) {
      const { below } = this.#node(name);
      if (below !== undefined) found.add(below);
    }
    return found;
  }

  /** Nodes and backends that use a node. */
  #above(node: string): string[] {
    const nodes = this.nodes.filter((name) => this.#node(name).below === node);
    return [...nodes, ...this.backends.filter((name) => this.root(name) === node)];
  }

  #node(name: string): ModelNode {
    return known(this.#nodes, name);
  }

  #backend(name: string): ModelBackend {
    return known(this.#backends, name);
  }

  #request(id: number): ModelRequest {
    return known(this.#requests, id);
  }
}

function known<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the model does not know ${String(key)}`);
  return value;
}
