// Drained sections: no new requests from above, and a wait for those under way.
//
// A section begins at some roots and covers everything above them, backends included: requests come
// from there. Its members each get one quiesce per section, however many ways lead to them. When
// the graph changes, every section is computed anew, so an attached node joins the sections of its
// child and a detached one leaves exactly those that came through the edge.

import { BlockUsageError } from '../errors/block-error.js';

/** A node or a backend. */
export interface DrainMember {
  /** Raises or lowers the native quiesce count. */
  quiesce(begin: boolean): void;
  /** Requests under way, natively. */
  inFlight(): number;
  /** Something above native/ is still busy (QEMU: drained_poll). */
  drainedPoll(): boolean;
  /** Who may send requests to this member. */
  drainParents(): Iterable<DrainMember>;
}

/** What a section covers now: a function, because the graph changes. */
export type DrainScope = () => Iterable<DrainMember>;

/** `roots` and all that is above them, nearest first. */
export function upward(roots: Iterable<DrainMember>): Set<DrainMember> {
  const found = new Set(roots);
  // A set grows while it is iterated, and iteration goes on with what was added.
  for (const member of found) {
    for (const parent of member.drainParents()) found.add(parent);
  }
  return found;
}

/** What a backend's own section begins at: its node, if it has one, and the backend (DRAIN-15). */
export function withNode(
  root: DrainMember & { readonly node: DrainMember | undefined },
): DrainMember[] {
  return root.node === undefined ? [root] : [root.node, root];
}

/**
 * Requests of what it covers wait until {@link DrainSection.end}; others may begin sections of
 * their own meanwhile. It follows the graph: what comes under it is covered, what leaves is not.
 * (bdrv_drained_begin)
 */
export class DrainSection {
  readonly #drains: Drains;
  readonly #scope: DrainScope;
  /** Covered besides the scope, whatever becomes of the graph. */
  readonly #covered = new Set<DrainMember>();
  /** Exactly those that have been told of the section and not of its end. */
  #members = new Set<DrainMember>();
  #ended = false;
  /** Members call foreign code, from which the section may be refreshed or ended. */
  #changes = 0;
  readonly #waiting: (() => void)[] = [];

  /** @internal */
  constructor(drains: Drains, scope: DrainScope) {
    this.#drains = drains;
    this.#scope = scope;
  }

  /** It holds nobody back any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Joins and leaves what the graph asks for now. */
  refresh(): void {
    if (this.#ended) return;
    const now = this.#inScope();
    this.#changes += 1;
    const change = this.#changes;
    // Each of these may have led here again, to a newer list of members.
    for (const member of now) if (change === this.#changes) this.#join(member);
    for (const member of [...this.#members]) {
      if (change === this.#changes && !now.has(member)) this.#leave(member);
    }
    if (change === this.#changes) this.#members = now;
  }

  /**
   * Covers these as well, and what is above them.
   *
   * @returns whether any of them was not a member.
   */
  cover(members: Iterable<DrainMember>): boolean {
    const before = this.#covered.size;
    for (const member of members) if (!this.#members.has(member)) this.#covered.add(member);
    const grew = this.#covered.size > before;
    if (grew) this.refresh();
    return grew;
  }

  /** @internal What {@link refresh} would make a member. */
  newcomers(): DrainMember[] {
    return [...this.#inScope()].filter((member) => !this.#members.has(member));
  }

  /** Nothing is under way in any member. */
  isQuiet(): boolean {
    for (const member of this.#members) {
      if (member.inFlight() !== 0 || member.drainedPoll()) return false;
    }
    return true;
  }

  /** Resolves from a fresh turn of the loop in which the section was quiet, or has ended. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#drains.kick();
    });
  }

  /**
   * Runs `body` in a moment in which the section is quiet, now if it is. Others may have broken the
   * quiet since somebody was told of it: with requests that no section holds back.
   */
  async whenQuiet<T>(body: () => T): Promise<T> {
    while (!this.#ended && !this.isQuiet()) await this.quiet();
    return body();
  }

  /** @internal */
  evaluate(): void {
    if (this.#waiting.length === 0 || !(this.#ended || this.isQuiet())) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Ends the section. Requests that waited are started, in order, before it returns, unless other
   * sections hold them back.
   */
  end(): void {
    if (this.#ended) throw new BlockUsageError('this drained section has ended already');
    this.#ended = true;
    this.#changes += 1;
    this.#drains.forget(this);
    // Nodes before the backends above them: what starts finds its nodes open.
    for (const member of [...this.#members]) this.#leave(member);
  }

  /** Like {@link end}, and may come after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.end();
  }

  #inScope(): Set<DrainMember> {
    return upward([...this.#scope(), ...this.#covered]);
  }

  #join(member: DrainMember): void {
    if (this.#members.has(member)) return;
    this.#members.add(member);
    member.quiesce(true);
  }

  #leave(member: DrainMember): void {
    if (this.#members.delete(member)) member.quiesce(false);
  }
}

/** All sections of an environment. */
export class Drains {
  readonly #active = new Set<DrainSection>();
  readonly #ending = new Set<DrainSection>();
  #kicked = false;

  /** Takes effect before it returns. */
  begin(scope: DrainScope): DrainSection {
    const section = new DrainSection(this, scope);
    // First: whoever is told of it may make new members.
    this.#active.add(section);
    section.refresh();
    return section;
  }

  /** The graph has changed. */
  refresh(): void {
    for (const section of this.#active) section.refresh();
  }

  hasOthers(section: DrainSection): boolean {
    return this.#active.size > (this.#active.has(section) ? 1 : 0);
  }

  /** Those that come under sections other than this one when the graph becomes what it is now. */
  newcomersBeside(section: DrainSection): Set<DrainMember> {
    const others = [...this.#active].filter((other) => other !== section);
    return new Set(others.flatMap((other) => other.newcomers()));
  }

  /** Looks again, from a fresh turn of the loop, whether sections are quiet. Never a timer. */
  kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    setImmediate(() => {
      this.#kicked = false;
      const sections = [...this.#active, ...this.#ending];
      // First: a device that is polled may end another section, which then waits for the next turn.
      this.#ending.clear();
      for (const section of sections) section.evaluate();
    });
  }

  /** @internal */
  forget(section: DrainSection): void {
    this.#active.delete(section);
    this.#ending.add(section);
    this.kick();
  }
}
