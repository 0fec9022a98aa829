// The block graph of one environment: nodes, their names, and the changes to all of it.
//
//   open:   parse -> (lock) -> children, then their parent -> one transaction
//   change: (lock) -> begin on the affected nodes -> quiet -> one transaction -> refresh -> end
//   close:  drain -> detach -> (nobody left?) close the node -> the same for its children

import { AioContext } from '../aio/context.js';
import { controlCall } from '../aio/control.js';
import { type Environment, environment } from '../aio/environment.js';
import { type Handle, isFailure, type NativeChild } from '../aio/native-binding.js';
import { failureError } from '../errors/native-failure.js';
import { emitNativeWarning } from '../errors/native-warning.js';
import { emitBlockEvent } from './block-events.js';
import { moveContext } from './context-move.js';
import { type DrainMember, type DrainSection, Drains } from './drain.js';
import { Edge } from './edge.js';
import { type GraphChange, GraphLock } from './graph-lock.js';
import type { Plan } from './image-options.js';
import { Names } from './names.js';
import { BlockNode, NEEDS_WRITING } from './node.js';
import { openNamedBacking } from './open-image.js';
import { optionError } from './option-bag.js';
import type { ChildPlan, NodePlan } from './options.js';
import { NO_GRANT } from './permissions.js';
import type { GraphRoot } from './root.js';
import { RunState } from './run-state.js';
import { nodesAbove, subtree } from './topology.js';
import { GraphTransaction } from './transaction.js';

const ROOT_KEY = 0;

/** A child that was opened, and how. */
interface OpenedChild {
  readonly plan: ChildPlan;
  readonly node: BlockNode;
}

export class Graph {
  readonly environment: Environment;
  readonly lock = new GraphLock();
  readonly drains = new Drains();
  readonly names = new Names<GraphRoot, BlockNode>();
  /** In order of creation. */
  readonly nodes = new Set<BlockNode>();
  readonly roots = new Set<GraphRoot>();
  /** Of the machine; the VMM may put its own in place. */
  runState = new RunState();
  /** Nodes whose images may have to be opened anew for a writer. */
  readonly #onDemand = new Set<BlockNode>();
  readonly #byId = new Map<number, BlockNode>();

  constructor(env: Environment) {
    this.environment = env;
    env.ring.listener = {
      idle: () => this.drains.kick(),
      resized: (id) => this.#resized(id),
      warned: (id, what) => emitNativeWarning(what, this.nodeName(id)),
      thresholdsPassed: () => this.#thresholdsPassed(),
    };
  }

  #thresholdsPassed(): void {
    for (const event of this.environment.binding.takeWriteThresholdEvents()) {
      const name = this.nodeName(event.node);
      if (name === undefined) continue;
      const data = Object.freeze({
        'node-name': name,
        'amount-exceeded': event.exceeded,
        'write-threshold': event.threshold,
      });
      emitBlockEvent('BLOCK_WRITE_THRESHOLD', data);
    }
  }

  nodeName(id: number): string | undefined {
    return this.#byId.get(id)?.name;
  }

  /** The node of that name, or the root of the device of that name. @throws BlockError EINVAL */
  find(reference: string): BlockNode {
    const node = this.names.device(reference)?.node ?? this.names.node(reference);
    if (node !== undefined) return node;
    throw optionError('', `there is no node named '${reference}', nor a device with a medium`);
  }

  /**
   * The context in which a plan must be opened: that of the nodes it refers to. Those in the main
   * loop follow the others, which somebody keeps where they are.
   */
  contextFor(plan: Plan | null): AioContext | undefined {
    if (plan === null) return undefined;
    if (typeof plan === 'string') return this.find(plan).context;
    if ('planFor' in plan) return this.contextFor(plan.file);
    const contexts = plan.children
      .map(({ node }) => this.contextFor(node))
      .filter((context) => context !== undefined);
    return contexts.find((context) => context !== AioContext.main) ?? contexts[0];
  }

  /** Opens what the plan says, or finds the node that it names. Opens all of it or nothing. */
  async open(
    plan: NodePlan | string,
    context: AioContext,
    change: GraphChange,
    parent?: BlockNode,
  ): Promise<BlockNode> {
    if (typeof plan === 'string') return this.find(plan);
    const children: OpenedChild[] = [];
    try {
      const name = this.names.reserveNode(plan.name);
      try {
        for (const child of plan.children) {
          if (child.node === null) continue;
          children.push({ plan: child, node: await this.open(child.node, context, change) });
        }
        for (const { node } of children) await this.#fetch(node, context, change);
        const opened = await this.#openNode(name, plan, children, context, change);
        opened.inheritsFrom = parent;
        await this.#finishOpening(opened, plan, change);
        return opened;
      } catch (error) {
        this.names.removeNode(name);
        throw error;
      }
    } catch (error) {
      for (const { node } of children.reverse()) await this.closeUnused(node, change);
      throw error;
    }
  }

  // --- changes

  /**
   * Runs `body` while nothing is under way in what `scope` covers and above it, and commits what it
   * edits; then nodes whose children changed find out their limits again.
   *
   * @throws (rejects) BlockError; then nothing has changed.
   */
  async transact<T>(
    change: GraphChange,
    scope: () => Iterable<DrainMember>,
    body: (transaction: GraphTransaction) => T,
  ): Promise<T> {
    const section = this.drains.begin(scope);
    try {
      const result = await this.transactQuietly(change, body, { section });
      return result;
    } finally {
      if (!section.ended) section.end();
    }
  }

  /** The same in a section of the caller's, or for what needs none. */
  async transactQuietly<T>(
    change: GraphChange,
    body: (transaction: GraphTransaction) => T,
    { refresh = true, section }: { refresh?: boolean; section?: DrainSection } = {},
  ): Promise<T> {
    // Images are opened in what is quiet already, and the change is made in what is quiet still.
    await section?.quiet();
    const opened = await this.#openForWriting(body);
    const transaction = new GraphTransaction();
    const commit = (): T => this.#commit(transaction, change, body);
    let result: T;
    try {
      result = section === undefined ? commit() : await this.commitQuietly(section, body, commit);
    } catch (error) {
      await this.#closeForWriting(opened);
      throw error;
    }
    if (refresh) await this.refreshAbove(transaction.changedParents);
    await this.#closeForWriting(transaction.plannedNodes);
    return result;
  }

  /**
   * Runs `commit` in a moment in which the section is quiet, and with it all that `edit` brings
   * under sections of others: those may have been called quiet already.
   *
   * @throws (rejects) BlockError what `edit` throws; then `commit` has not run.
   */
  async commitQuietly<T>(
    section: DrainSection,
    edit: (transaction: GraphTransaction) => unknown,
    commit: () => T,
  ): Promise<T> {
    for (;;) {
      while (!section.ended && !section.isQuiet()) await section.quiet();
      if (section.ended || !section.cover(this.#newcomers(section, edit))) return commit();
    }
  }

  #newcomers(
    section: DrainSection,
    edit: (transaction: GraphTransaction) => unknown,
  ): Iterable<DrainMember> {
    if (!this.drains.hasOthers(section)) return [];
    const trial = new GraphTransaction();
    try {
      edit(trial);
      return this.drains.newcomersBeside(section);
    } finally {
      trial.abort();
    }
  }

  #commit<T>(
    transaction: GraphTransaction,
    change: GraphChange,
    body: (transaction: GraphTransaction) => T,
  ): T {
    try {
      const result = body(transaction);
      transaction.commit();
      return result;
    } catch (error) {
      transaction.abort();
      throw error;
    } finally {
      this.lock.guard(change, () => this.drains.refresh());
    }
  }

  /** Limits and lengths of the nodes and all above them, from below to above. */
  async refreshAbove(nodes: readonly BlockNode[]): Promise<void> {
    for (const node of nodesAbove(nodes).reverse()) {
      if (!node.isClosed) await this.control(node, (slot, handle) => this.#refresh(slot, handle));
    }
  }

  /** A native call on a node that waits. @throws (rejects) BlockError */
  async control(
    node: BlockNode,
    start: (slot: number, handle: Handle) => void,
    operation = 'change the graph',
  ): Promise<void> {
    const { handle } = node;
    const result = await controlCall(this.environment.ring, (slot) => start(slot, handle));
    if (isFailure(result)) throw failureError(result, { operation, node: node.name });
  }

  /** A backend's or another user's edge to a node. */
  attachUser(transaction: GraphTransaction, root: GraphRoot, node: BlockNode): void {
    const edge = new Edge(root, 'root', node, root.role, ROOT_KEY);
    transaction.edit(
      () => {
        root.edge = edge;
      },
      () => {
        root.edge = undefined;
      },
    );
    transaction.attachUser(edge);
  }

  /** Takes the medium out of a backend once it is quiet. Never fails for permission reasons. */
  async detach(root: GraphRoot, change: GraphChange, section: DrainSection): Promise<void> {
    const { edge } = root;
    if (edge === undefined) return;
    const cut = (transaction: GraphTransaction): void => {
      transaction.detach(edge);
      transaction.edit(
        () => {
          root.edge = undefined;
        },
        () => {
          root.edge = edge;
        },
      );
    };
    await this.transactQuietly(change, cut, { section });
    root.graphChanged();
  }

  /** Closes a node without users, and then its children if they have no other. */
  async closeUnused(node: BlockNode, change: GraphChange): Promise<void> {
    if (node.isUsed || node.isClosed) return;
    this.names.removeNode(node.name);
    const section = this.drains.begin(() => [node]);
    await section.quiet();
    section.end();
    await this.#forget(node);
    for (const { edge } of node.children.splice(0)) {
      await this.#leave(edge, change);
      await this.closeUnused(edge.child, change);
    }
  }

  /** A section over every node and every backend, those without a medium included. */
  drainAll(): DrainSection {
    return this.drains.begin(() => [...this.nodes, ...this.roots]);
  }

  /** A section that begins at a node, or at all that it stands on. A closed one covers nothing. */
  drainNode(node: BlockNode, withSubtree: boolean): DrainSection {
    const scope = () => (withSubtree ? subtree(node) : [node]);
    return this.drains.begin(() => (node.isClosed ? [] : scope()));
  }

  /** A child comes to where its parent is opened (CTX-9). */
  async #fetch(node: BlockNode, context: AioContext, change: GraphChange): Promise<void> {
    if (node.context !== context) await moveContext(this, node, context, undefined, change);
  }

  #resized(id: number): void {
    for (const root of this.roots) if (root.node?.id === id) root.resized();
  }

  #refresh(slot: number, handle: Handle): void {
    this.environment.binding.nodeRefresh(slot, handle);
  }

  /** The parent is closed already, natively too. */
  async #leave(edge: Edge, change: GraphChange): Promise<void> {
    edge.frozen = 0;
    await this.transactQuietly(change, (transaction) => transaction.detachClosed(edge));
  }

  async #openNode(
    name: string,
    plan: NodePlan,
    children: readonly OpenedChild[],
    context: AioContext,
    change: GraphChange,
  ): Promise<BlockNode> {
    const { ring, binding } = this.environment;
    const { driver } = plan;
    // The image belongs to another process until it is activated (INACT-15).
    const state = { ...plan.state, inactive: this.runState.isIncoming };
    const { readOnly, noFlush, discardUnmap, options } = state;
    const native = {
      driver: driver.name,
      name,
      readOnly,
      noFlush,
      discardUnmap,
      inactive: state.inactive,
      detectZeroes: 0,
      copyOnRead: false,
    };
    const nativeChildren = children.map(({ plan: { definition }, node }, key): NativeChild => {
      return { key, node: node.handle, role: definition.role(options), ...NO_GRANT };
    });
    const own = (await driver.nativeOptions?.(options)) ?? options;
    const told = { ...own, ...plan.nativeOptions };
    const where = context.handle;
    const result = await controlCall(ring, (slot) =>
      binding.nodeOpen(slot, where, native, told, nativeChildren),
    );
    if (isFailure(result)) throw failureError(result, { operation: 'open', node: name });
    const node = new BlockNode(binding, result, name, { ...plan, state }, context);
    this.nodes.add(node);
    this.#byId.set(node.id, node);
    this.names.setNode(name, node);
    node.mirrorState();
    this.noteDemand(node);
    try {
      driver.opened?.(node);
      const link = (transaction: GraphTransaction): void => {
        for (const { plan, node: child } of children) {
          transaction.attachChild(node, plan.definition, child);
        }
      };
      // Opening has just found out limits and length.
      await this.transactQuietly(change, link, { refresh: false });
    } catch (error) {
      await this.#forget(node);
      throw error;
    }
    for (const { plan, node: child } of children) {
      if (typeof plan.node === 'object') child.inheritsFrom = node;
    }
    return node;
  }

  async #finishOpening(node: BlockNode, plan: NodePlan, change: GraphChange): Promise<void> {
    try {
      await openNamedBacking(this, node, plan, change);
      node.driver.linked?.(node);
    } catch (error) {
      await this.closeUnused(node, change);
      throw error;
    }
  }

  async #forget(node: BlockNode): Promise<void> {
    const { ring, binding } = this.environment;
    node.driver.closing?.(node);
    const handle = node.takeHandle();
    await controlCall(ring, (slot) => binding.nodeClose(slot, handle));
    this.nodes.delete(node);
    this.#onDemand.delete(node);
    this.#byId.delete(node.id);
  }

  /** @internal Whether the image is opened on demand may have changed. */
  noteDemand(node: BlockNode): void {
    if (node.opensOnDemand) this.#onDemand.add(node);
    else this.#onDemand.delete(node);
  }

  // --- images that are opened for writing only while somebody writes (FILE-3)

  /** Before a change: what it would need. Natively it may have to open the image, so it waits. */
  async #openForWriting(body: (transaction: GraphTransaction) => unknown): Promise<BlockNode[]> {
    if (this.#onDemand.size === 0) return [];
    const trial = new GraphTransaction();
    const wanted: BlockNode[] = [];
    try {
      body(trial);
      for (const [node, { permissions }] of trial.plan().nodes) {
        const writes = (permissions & NEEDS_WRITING) !== 0;
        if (node.opensOnDemand && !node.openForWriting && !node.inactive && writes)
          wanted.push(node);
      }
    } finally {
      trial.abort();
    }
    const opened: BlockNode[] = [];
    try {
      for (const node of wanted) {
        await this.#setAccess(node, true);
        opened.push(node);
      }
    } catch (error) {
      await this.#closeForWriting(opened);
      throw error;
    }
    return opened;
  }

  /** An image that cannot be opened again stays open as it is: giving up never fails (PERM-9). */
  async #closeForWriting(nodes: Iterable<BlockNode>): Promise<void> {
    if (this.#onDemand.size === 0) return;
    for (const node of nodes) {
      const writes = (node.granted.permissions & NEEDS_WRITING) !== 0;
      if (!node.opensOnDemand || !node.openForWriting || writes) continue;
      await this.#setAccess(node, false).catch(() => {});
    }
  }

  async #setAccess(node: BlockNode, write: boolean): Promise<void> {
    const { binding } = this.environment;
    const section = this.drains.begin(() => [node]);
    try {
      await section.quiet();
      await this.control(node, (slot, handle) =>
        binding.nodeReopenPrepare(slot, handle, node.options, node.readOnly, write),
      );
      await section.whenQuiet(() => binding.nodeReopenSettle(node.handle, true));
      node.openForWriting = write;
    } finally {
      section.end();
    }
  }
}

let current: Graph | undefined;

/** The graph of this environment, made on first use. */
export function graph(): Graph {
  current ??= new Graph(environment());
  return current;
}
