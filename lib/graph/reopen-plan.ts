// What a reopen asks for: the new state of a node and where its children are to lead. Nothing is
// changed here; everything that can be wrong with options alone is found here.

import type { DriverOptions, OptionDefinition, OptionValue } from './driver-definition.js';
import { childrenOf } from './driver-definition.js';
import type { Edge } from './edge.js';
import type { Graph } from './graph.js';
import type { BlockNode } from './node.js';
import type { CommonState, Inherited, NodeState } from './node-state.js';
import { OptionBag, optionError } from './option-bag.js';
import {
  expanded,
  inheritedBy,
  ownOptions,
  TOP,
  takeCommon,
  takeDriverOptions,
} from './options.js';
import { isImplicitFilter, skipImplicitFilters } from './surgery.js';

/** Where a child is to lead; null: it goes. */
export interface ChildChange {
  readonly name: string;
  readonly to: BlockNode | null;
}

export interface ReopenEntry {
  readonly node: BlockNode;
  readonly state: NodeState;
  readonly children: readonly ChildChange[];
}

/** `reset`: what is not given gets its default; `keep`: it stays as it was asked for (REOP-4). */
export type ReopenMode = 'reset' | 'keep';

/** Which children a reopen can lead elsewhere (REOP-9). */
const REPLACEABLE = ['file', 'backing'];

/** One node of a call, and what was given for it. */
export interface ReopenRequest {
  readonly node: BlockNode;
  readonly bag: OptionBag;
}

/** By node: one that is concerned twice, by itself and through its parent, gets both in one entry. */
type Planned = Map<BlockNode, ReopenEntry>;

/** Entries for the nodes and, after each, for every child that takes its defaults from it. */
export function planReopen(
  graph: Graph,
  requests: readonly ReopenRequest[],
  mode: ReopenMode,
): ReopenEntry[] {
  const planned: Planned = new Map();
  for (const { node, bag } of requests) planNode(graph, planned, node, bag, mode);
  return [...planned.values()];
}

function planNode(
  graph: Graph,
  planned: Planned,
  node: BlockNode,
  bag: OptionBag,
  mode: ReopenMode,
): void {
  if (node.driver.reopens === undefined) {
    const text = `node '${node.name}': the driver '${node.driver.name}' cannot be reopened`;
    throw optionError('', text);
  }
  checkSame(bag, 'driver', node.driver.name);
  checkSame(bag, 'node-name', node.name);
  const given = bag.given();
  const earlier = planned.get(node);
  const before = mode === 'keep' ? (earlier?.state ?? node.state).explicit : {};
  const merged = bag.withDefaults(before);
  const common = takeCommon(merged, inheritedFor(node, planned));
  checkCommon(node, common);
  const changes: ChildChange[] = [];
  const nested: { readonly edge: Edge; readonly bag: OptionBag | undefined }[] = [];
  for (const { name } of childrenOf(node.driver, node.options)) {
    takeChild(graph, node, name, merged, mode, changes, nested);
  }
  const options = takeReopenOptions(node, merged, common, given, mode);
  const unknown = merged.leftover();
  if (unknown !== undefined) {
    throw optionError(unknown, `is unknown to the driver '${node.driver.name}'`);
  }
  const problem = node.driver.check?.(options);
  if (problem !== undefined) throw optionError('', problem);
  const explicit = ownOptions({ ...before, ...given }, options);
  // How it was opened decides, not what it is for now (REOP-7).
  const { mayWrite, noIo } = node.state;
  const state = { ...common, mayWrite, noIo, options, explicit, inactive: node.inactive };
  const others = earlier?.children.filter(({ name }) => !changes.some((now) => now.name === name));
  planned.set(node, { node, state, children: [...(others ?? []), ...changes] });
  for (const { edge, bag: own } of nested) {
    // A child that is only named, or not even that, keeps what it was opened with (REOP-9).
    if (own === undefined) planNode(graph, planned, edge.child, OptionBag.from({}), 'keep');
    else planNode(graph, planned, edge.child, own, mode);
  }
}

function inheritedFor(node: BlockNode, planned: Planned): Inherited {
  const parent = node.inheritsFrom;
  const { mayWrite } = node.state;
  const edge = parent?.children.find(({ edge: { child } }) => child === node)?.edge;
  const inherited =
    parent === undefined
      ? TOP
      : inheritedBy(edge?.role ?? 0, planned.get(parent)?.state ?? parent.state);
  // Leaving read-only out is no wish to write (REOP-5).
  return { ...inherited, readOnly: inherited.readOnly || !mayWrite, mayWrite };
}

function checkSame(bag: OptionBag, name: string, value: OptionValue): void {
  const given = bag.take(name);
  if (given === undefined || given === value) return;
  throw optionError(bag.pathOf(name), `cannot be changed from '${value}' to '${given}'`);
}

function checkCommon(
  { name, state, copiesOnRead }: BlockNode,
  { forceShare, readOnly }: CommonState,
): void {
  if (forceShare !== state.forceShare) throw optionError('force-share', 'cannot be changed');
  if (!readOnly && state.readOnly && !state.mayWrite) {
    throw optionError('read-only', `node '${name}' was opened read-only for good`);
  }
  if (readOnly && !state.readOnly && copiesOnRead) {
    throw optionError('read-only', `cannot be set while node '${name}' copies on read`);
  }
}

/** Mutable ones as given, else their default; the others as they are (REOP-5, REOP-6). */
function takeReopenOptions(
  node: BlockNode,
  bag: OptionBag,
  common: CommonState,
  given: Readonly<Record<string, OptionValue>>,
  mode: ReopenMode,
) {
  const { driver, options: old } = node;
  const immutable = driver.options.filter(({ name }) => !driver.reopens?.includes(name));
  const kept = Object.fromEntries(
    immutable.flatMap((option) => namesAmong(option, old)).map((name) => [name, old[name]]),
  );
  const merged = bag.withDefaults(kept as Record<string, OptionValue>);
  const fixed = expanded(merged, immutable);
  const options = takeDriverOptions(merged, driver, common);
  for (const { name, default: byDefault } of fixed) {
    if (options[name] !== old[name]) {
      throw optionError(bag.pathOf(name), `cannot be changed from '${old[name]}'`);
    }
    const isReset = mode === 'reset' && given[name] === undefined;
    if (isReset && old[name] !== byDefault) {
      throw optionError(bag.pathOf(name), `must be given: it cannot be reset to its default`);
    }
  }
  return options;
}

/** Those of a node's options that the definition stands for. */
function namesAmong({ name, list }: OptionDefinition, options: DriverOptions): string[] {
  if (list === undefined) return options[name] === undefined ? [] : [name];
  return Object.keys(options).filter((key) => key.startsWith(`${name}.`));
}

function takeChild(
  graph: Graph,
  node: BlockNode,
  name: string,
  bag: OptionBag,
  mode: ReopenMode,
  changes: ChildChange[],
  nested: { readonly edge: Edge; readonly bag: OptionBag | undefined }[],
): void {
  const edge = node.child(name)?.edge;
  const inherits = edge !== undefined && edge.child.inheritsFrom === node;
  const value = bag.takeChild(name);
  const path = bag.pathOf(name);
  if (value instanceof OptionBag) {
    if (!inherits) {
      throw optionError(path, 'was opened by its name, so its options cannot be given here');
    }
    nested.push({ edge, bag: value });
    return;
  }
  if (value === undefined) {
    if (mode === 'reset' && name === 'backing' && namesBacking(node, edge)) {
      throw optionError(path, 'is missing: the node has a backing file, so say which or null');
    }
    if (inherits) nested.push({ edge, bag: undefined });
    return;
  }
  const to = target(graph, node, name, path, value);
  if (to === edge?.child) {
    if (inherits) nested.push({ edge: edge as Edge, bag: undefined });
    return;
  }
  if (to === null && edge === undefined) return;
  if (edge !== undefined && to === skipImplicitFilters(edge.child)) return;
  if (edge !== undefined && isImplicitFilter(edge.child)) {
    throw optionError(path, `cannot be changed: '${edge.child.name}' is an implicit filter`);
  }
  changes.push({ name, to });
}

/** There is one, or the image says that there should be (REOP-10). */
function namesBacking(node: BlockNode, edge: Edge | undefined): boolean {
  return edge !== undefined || (node.driver.backingFilename?.(node) ?? '') !== '';
}

function target(
  graph: Graph,
  node: BlockNode,
  name: string,
  path: string,
  value: unknown,
): BlockNode | null {
  if (!REPLACEABLE.includes(name) && value !== node.child(name)?.edge.child.name) {
    throw optionError(path, 'cannot be changed by a reopen');
  }
  if (value === null && name === 'backing') return null;
  if (typeof value !== 'string' || value === '') {
    throw optionError(
      path,
      name === 'backing' ? 'must name a node or be null' : 'must name a node',
    );
  }
  return graph.find(value);
}
