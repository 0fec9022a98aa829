// Giving open nodes other options and other children, several at once: all succeed or all stay as
// they were (REOP-1).
//
//   plan -> begin on all of them -> quiet -> flush all -> prepare each natively (may wait)
//     -> one transaction over the resulting graph -> native commit, last prepared first
//     -> limits anew -> end

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { DrainSection } from './drain.js';
import { childrenOf, type DriverDefinition } from './driver-definition.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import { together } from './meeting.js';
import { type BlockNode, NEEDS_WRITING } from './node.js';
import type { NodeState } from './node-state.js';
import type { ReopenEntry } from './reopen-plan.js';
import { setBackingIn } from './surgery.js';
import { GraphTransaction } from './transaction.js';
import { goHome } from './users.js';

const OPERATION = 'reopen';

type ReopeningDriver = ReturnType<NonNullable<DriverDefinition['reopening']>>;

/** @throws (rejects) BlockError; then everything is as it was. */
export async function reopen(
  graph: Graph,
  entries: readonly ReopenEntry[],
  change: GraphChange,
): Promise<void> {
  await reopenTogether(graph, entries, entries, change);
}

/** New children come to their parents, one entry after the other. */
async function reopenTogether(
  graph: Graph,
  entries: readonly ReopenEntry[],
  [first, ...others]: readonly ReopenEntry[],
  change: GraphChange,
): Promise<void> {
  if (first === undefined) return reopenHere(graph, entries, change);
  const guests = first.children.flatMap(({ to }) => (to === null ? [] : [to]));
  return together(graph, first.node, guests, change, () =>
    reopenTogether(graph, entries, others, change),
  );
}

async function reopenHere(
  graph: Graph,
  entries: readonly ReopenEntry[],
  change: GraphChange,
): Promise<void> {
  const touched = entries.flatMap(({ node, children }) => [
    node,
    ...node.children.map(({ edge }) => edge.child),
    ...children.flatMap(({ to }) => (to === null ? [] : [to])),
  ]);
  const before = entries.flatMap(({ node }) => node.children.map(({ edge }) => edge.child));
  const section = graph.drains.begin(() => touched.filter((node) => !node.isClosed));
  try {
    await section.quiet();
    await flushAll(graph, entries);
    await reopenQuietly(graph, entries, change, section);
    await graph.refreshAbove(entries.map(({ node }) => node));
  } finally {
    section.end();
  }
  for (const child of before) {
    await graph.closeUnused(child, change);
    await goHome(graph, child, change);
  }
}

async function flushAll(graph: Graph, entries: readonly ReopenEntry[]): Promise<void> {
  const { binding } = graph.environment;
  for (const { node } of entries) {
    await graph.control(node, (slot, handle) => binding.nodeFlush(slot, handle), OPERATION);
  }
}

async function reopenQuietly(
  graph: Graph,
  entries: readonly ReopenEntry[],
  change: GraphChange,
  section: DrainSection,
): Promise<void> {
  const { binding } = graph.environment;
  const writers = plannedWriters(entries);
  const prepared: { node: BlockNode; driver: ReopeningDriver | undefined }[] = [];
  const settle = (commit: boolean): void => {
    for (const { node, driver } of prepared.splice(0).reverse()) {
      binding.nodeReopenSettle(node.handle, commit);
      if (commit) driver?.commit();
      else driver?.abort();
    }
  };
  const prepare = async (node: BlockNode, state: NodeState, writes: boolean): Promise<void> => {
    const { options, readOnly } = state;
    await graph.control(
      node,
      (slot, handle) => binding.nodeReopenPrepare(slot, handle, options, readOnly, writes),
      OPERATION,
    );
    const entry: (typeof prepared)[number] = { node, driver: undefined };
    prepared.push(entry);
    entry.driver = node.driver.reopening?.(node, options);
  };
  const before = entries.map(({ node }) => ({ ...node.state, writes: node.openForWriting }));
  let committed = false;
  try {
    for (const { node, state } of entries) await prepare(node, state, writers.has(node));
    const settleAll = (): void => {
      settle(true);
      committed = true;
    };
    const editAll = (transaction: GraphTransaction): void => {
      for (const entry of entries) edit(transaction, entry);
    };
    await graph.commitQuietly(section, editAll, () => commit(graph, editAll, change, settleAll));
  } catch (error) {
    settle(false);
    if (committed) {
      // Another process holds a lock that the new descriptors would need: back to the old ones.
      for (const [index, { node }] of entries.entries()) {
        const { writes, ...state } = before[index] as NodeState & { writes: boolean };
        await prepare(node, state, writes);
      }
      settle(true);
    }
    throw error;
  }
  for (const { node } of entries) {
    node.openForWriting = !node.readOnly && (!node.opensOnDemand || writers.has(node));
    graph.noteDemand(node);
  }
}

/** Nodes that somebody will write to. */
function plannedWriters(entries: readonly ReopenEntry[]): ReadonlySet<BlockNode> {
  const trial = new GraphTransaction();
  try {
    for (const entry of entries) edit(trial, entry);
    const nodes = [...trial.plan().nodes];
    const writers = nodes.filter(([, { permissions }]) => (permissions & NEEDS_WRITING) !== 0);
    return new Set(writers.map(([node]) => node));
  } finally {
    trial.abort();
  }
}

/**
 * A descriptor with another access mode must be there before its locks are checked, so native/
 * commits in the middle of the transaction, as its last step that can fail is behind it.
 */
function commit(
  graph: Graph,
  editAll: (transaction: GraphTransaction) => void,
  change: GraphChange,
  settle: () => void,
): void {
  const transaction = new GraphTransaction();
  try {
    editAll(transaction);
    transaction.commit(settle);
  } catch (error) {
    transaction.abort();
    throw error;
  } finally {
    graph.lock.guard(change, () => graph.drains.refresh());
  }
}

function edit(transaction: GraphTransaction, { node, state, children }: ReopenEntry): void {
  transaction.setState(node, state);
  for (const { definition, edge } of node.children) {
    transaction.setRole(edge, definition.role(state.options));
  }
  for (const { name, to } of children) {
    const edge = node.child(name)?.edge;
    if (name === 'backing') {
      const definition = childrenOf(node.driver, node.options).find((child) => child.name === name);
      if (definition === undefined) throw noBacking(node);
      setBackingIn(transaction, node, definition, to);
    } else if (edge !== undefined && to !== null) {
      transaction.lead(edge, to);
    }
  }
}

function noBacking(node: BlockNode): BlockError {
  const text = `the driver '${node.driver.name}' does not support backing files`;
  return new BlockError(Errno.EINVAL, { operation: OPERATION, node: node.name, text });
}
