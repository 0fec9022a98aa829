// The block graph of one environment: nodes, their names, and the changes to all of it.
//
//   open:   parse -> (lock) -> children, then their parent -> attach in one synchronous turn
//   close:  drain -> detach -> (nobody left?) close the node -> the same for its children

import type { AioContext } from '../aio/context.js';
import { controlCall } from '../aio/control.js';
import { type Environment, environment } from '../aio/environment.js';
import { isFailure, type NativeChild } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { failureError } from '../errors/native-failure.js';
import { type DrainSection, Drains } from './drain.js';
import { Edge } from './edge.js';
import { type GraphChange, GraphLock } from './graph-lock.js';
import { Names } from './names.js';
import { BlockNode, type NodeChild } from './node.js';
import { optionError } from './option-bag.js';
import type { ChildPlan, NodePlan } from './options.js';
import { grantEdge, loosenBelow } from './permission-update.js';
import { NO_GRANT } from './permissions.js';
import type { GraphRoot } from './root.js';

export class Graph {
  readonly environment: Environment;
  readonly lock = new GraphLock();
  readonly drains = new Drains();
  readonly names = new Names<GraphRoot, BlockNode>();
  /** In order of creation. */
  readonly nodes = new Set<BlockNode>();
  readonly roots = new Set<GraphRoot>();
  readonly #byId = new Map<number, BlockNode>();

  constructor(env: Environment) {
    this.environment = env;
    env.ring.listener = {
      idle: () => this.drains.kick(),
      resized: (id) => this.#resized(id),
    };
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

  /** The context in which a plan must be opened: that of the nodes it refers to. */
  contextFor(plan: NodePlan | string, wanted: AioContext | undefined): AioContext | undefined {
    if (typeof plan !== 'string') {
      return plan.children.reduce(
        (context, { node }) => this.contextFor(node, context) ?? context,
        wanted,
      );
    }
    const node = this.find(plan);
    if (wanted === undefined || node.context === wanted) return node.context;
    const text = `it lives in the context '${node.context.name}', not in '${wanted.name}'`;
    throw new BlockError(Errno.EPERM, { operation: 'open', node: node.name, text });
  }

  /** Opens what the plan says, or finds the node that it names. Opens all of it or nothing. */
  async open(
    plan: NodePlan | string,
    context: AioContext,
    change: GraphChange,
  ): Promise<BlockNode> {
    if (typeof plan === 'string') return this.find(plan);
    const children: BlockNode[] = [];
    try {
      const name = this.names.reserveNode(plan.name);
      try {
        for (const { node } of plan.children) {
          children.push(await this.open(node, context, change));
        }
        const opened = await this.#openNode(name, plan, children, context);
        this.lock.guard(change, () => this.drains.refresh());
        return opened;
      } catch (error) {
        this.names.removeNode(name);
        throw error;
      }
    } catch (error) {
      for (const child of children.reverse()) await this.closeUnused(child, change);
      throw error;
    }
  }

  /** Puts a medium into a backend. One synchronous turn: all of it or nothing. */
  attach(root: GraphRoot, node: BlockNode, change: GraphChange): void {
    const edge = new Edge(root, 'root', node, 0);
    node.parents.unshift(edge);
    try {
      grantEdge(edge, root.wanted);
    } catch (error) {
      node.parents.splice(node.parents.indexOf(edge), 1);
      root.clear();
      throw error;
    }
    root.edge = edge;
    root.refresh();
    this.lock.guard(change, () => this.drains.refresh());
  }

  /** Takes the medium out of a backend that is quiet. Never fails for permission reasons. */
  detach(root: GraphRoot, change: GraphChange): void {
    const { edge } = root;
    if (edge === undefined) return;
    root.clear();
    root.refresh();
    this.#unlink(edge);
    this.lock.guard(change, () => this.drains.refresh());
  }

  /** Closes a node without users, and then its children if they have no other. */
  async closeUnused(node: BlockNode, change: GraphChange): Promise<void> {
    if (node.parents.length > 0 || node.isClosed) return;
    const { ring, binding } = this.environment;
    this.names.removeNode(node.name);
    const section = this.drains.begin(() => [node]);
    await section.quiet();
    this.nodes.delete(node);
    const handle = node.takeHandle();
    section.end();
    await controlCall(ring, (slot) => binding.nodeClose(slot, handle));
    this.#byId.delete(node.id);
    for (const { edge } of node.children.splice(0)) {
      this.#unlink(edge);
      this.lock.guard(change, () => this.drains.refresh());
      await this.closeUnused(edge.child, change);
    }
  }

  /** A section over every node and every backend, those without a medium included. */
  drainAll(): DrainSection {
    return this.drains.begin(() => [...this.nodes, ...this.roots]);
  }

  #resized(id: number): void {
    for (const root of this.roots) if (root.node?.id === id) root.resized();
  }

  #unlink(edge: Edge): void {
    const { parents } = edge.child;
    parents.splice(parents.indexOf(edge), 1);
    loosenBelow(edge.child);
  }

  async #openNode(
    name: string,
    plan: NodePlan,
    children: readonly BlockNode[],
    context: AioContext,
  ): Promise<BlockNode> {
    const { ring, binding } = this.environment;
    const { readOnly, noFlush, discardUnmap, driver, options } = plan;
    const native = { driver: driver.name, name, readOnly, noFlush, discardUnmap };
    const nativeChildren = children.map((child, index): NativeChild => {
      const role = plan.children[index]?.definition.role(options) ?? 0;
      return { node: child.handle, role, ...NO_GRANT };
    });
    const where = context.handle;
    const result = await controlCall(ring, (slot) =>
      binding.nodeOpen(slot, where, native, options, nativeChildren),
    );
    if (isFailure(result)) throw failureError(result, { operation: 'open', node: name });
    const node = new BlockNode(binding, result, name, plan, context);
    this.nodes.add(node);
    this.#byId.set(node.id, node);
    this.names.setNode(name, node);
    for (const [index, child] of children.entries()) {
      this.#link(node, plan.children[index] as ChildPlan, child);
    }
    return node;
  }

  #link(parent: BlockNode, { definition }: ChildPlan, child: BlockNode): void {
    const role = definition.role(parent.options);
    const edge = new Edge(parent, definition.name, child, role);
    parent.children.push({ definition, edge } satisfies NodeChild);
    child.parents.unshift(edge);
  }
}

let current: Graph | undefined;

/** The graph of this environment, made on first use. */
export function graph(): Graph {
  current ??= new Graph(environment());
  return current;
}
