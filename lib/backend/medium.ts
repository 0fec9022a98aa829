import type { AioContext } from '../aio/context.js';
import { Permission } from '../aio/protocol.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { moveContext } from '../graph/context-move.js';
import { withNode } from '../graph/drain.js';
import { graph } from '../graph/graph.js';
import type { GraphChange } from '../graph/graph-lock.js';
import { BlockNode } from '../graph/node.js';
import type { NodeState } from '../graph/node-state.js';
import type { BlockOperation, BlockReason } from '../graph/op-blockers.js';
import type { GraphRoot } from '../graph/root.js';
import { afterUser, checkClosable } from '../graph/users.js';
import { BackendAccounting } from './accounting.js';

/** What a backend remembers of its last medium, for the next one (QEMU: BlockBackendRootState). */
export interface RootState {
  readonly readOnly: boolean;
  /** QEMU's flag of the same name loses 'unmap', so this is all that comes back (ATT-18). */
  readonly detectZeroes: boolean;
  readonly cache: { readonly direct: boolean; readonly noFlush: boolean };
  readonly openFlags: readonly OpenFlag[];
}

/** How a medium is or was open (QEMU: BDRV_O_*). */
export type OpenFlag =
  | 'read-write'
  | 'no-cache'
  | 'no-flush'
  | 'unmap'
  | 'auto-read-only'
  | 'inactive';

const NOTHING_SAVED: RootState = Object.freeze({
  readOnly: false,
  detectZeroes: false,
  cache: Object.freeze({ direct: false, noFlush: false }),
  openFlags: Object.freeze([]),
});

function stateOf(state: NodeState): RootState {
  const { readOnly, detectZeroes, direct, noFlush } = state;
  const cache = Object.freeze({ direct, noFlush });
  const openFlags = Object.freeze(flagsOf(state));
  return Object.freeze({ readOnly, detectZeroes: detectZeroes !== 'off', cache, openFlags });
}

function flagsOf(state: NodeState): OpenFlag[] {
  const flags: (OpenFlag | false)[] = [
    !state.readOnly && 'read-write',
    state.direct && 'no-cache',
    state.noFlush && 'no-flush',
    state.discardUnmap && 'unmap',
    state.autoReadOnly && 'auto-read-only',
    state.inactive && 'inactive',
  ];
  return flags.filter((flag) => flag !== false);
}

/** The medium of a backend: putting it in, taking it out, changing it under a running device. */
export abstract class BackendMedium extends BackendAccounting {
  #saved: RootState = NOTHING_SAVED;

  /** The node that requests go to; undefined without a medium. (blk_bs) */
  get root(): BlockNode | undefined {
    return this.graphRoot.node;
  }

  /**
   * Puts a medium into an empty backend, with the permissions that the backend wants. Insert
   * notifiers see it. (blk_insert_bs)
   *
   * @param target a node, or the name of one.
   * @throws (rejects) BlockError EPERM, whatever the reason (`cause`); the backend stays empty.
   * BlockUsageError when there is a medium.
   */
  async insert(target: BlockNode | string): Promise<void> {
    const node = this.#resolve(target);
    const root = this.graphRoot;
    await graph().lock.run(`insert ${node.name}`, async (change) => {
      this.checkOpen('insert');
      if (root.node !== undefined) throw new BlockUsageError(`${root.describe()} has a medium`);
      try {
        await this.putIn(node, change);
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : String(cause);
        throw new BlockError(Errno.EPERM, { operation: 'insert', node: node.name, text, cause });
      }
      graph().lock.guard(change, () => root.insertNotifiers.call((notify) => notify()));
    });
  }

  /** @internal */
  protected async putIn(node: BlockNode, change: GraphChange): Promise<void> {
    const root = this.graphRoot;
    await together(node, root, change, () =>
      graph().transact(
        change,
        () => [root],
        (transaction) => graph().attachUser(transaction, root, node),
      ),
    );
    root.graphChanged();
  }

  /**
   * Takes the medium out: requests under way are waited for, later ones fail with ENOMEDIUM, and a
   * node without other users is closed. Name, device, permissions, settings and context stay.
   * (blk_remove_bs)
   *
   * @throws (rejects) BlockUsageError without a medium.
   */
  async remove(): Promise<void> {
    const root = this.graphRoot;
    await graph().lock.run(`remove from ${root.describe()}`, async (change) => {
      if (root.node === undefined) throw new BlockUsageError(`${root.describe()} has no medium`);
      checkClosable(root.edge);
      await this.takeOut(change);
    });
  }

  /** @internal */
  protected async takeOut(change: GraphChange): Promise<void> {
    const root = this.graphRoot;
    const { node } = root;
    if (node === undefined) return;
    graph().lock.guard(change, () => root.removeNotifiers.call((notify) => notify()));
    this.#saved = stateOf(node.state);
    // The node as well: its own hook lets go what a throttle filter holds (DRAIN-42).
    const section = graph().drains.begin(() => withNode(root));
    try {
      await graph().detach(root, change, section);
    } finally {
      section.end();
    }
    await afterUser(graph(), node, change);
  }

  /**
   * Puts another medium in place of the present one while requests wait. No insert or remove
   * notifier is called. (blk_replace_bs)
   *
   * @throws (rejects) BlockError EPERM: the old medium stays and no request is lost.
   * BlockUsageError without a medium.
   */
  async replaceRoot(target: BlockNode | string): Promise<void> {
    const node = this.#resolve(target);
    const root = this.graphRoot;
    await graph().lock.run(`replace the root of ${root.describe()}`, async (change) => {
      const { edge } = root;
      if (edge === undefined) throw new BlockUsageError(`${root.describe()} has no medium`);
      const old = edge.child;
      if (node !== old) checkClosable(edge);
      await together(node, root, change, () =>
        graph().transact(
          change,
          () => [old, node, root],
          (transaction) => transaction.lead(edge, node),
        ),
      );
      await afterUser(graph(), old, change);
    });
  }

  /** What the next medium is opened like. (blk_get_root_state) */
  get rootState(): RootState {
    return this.#saved;
  }

  /** Remembers the present medium as the last one. (blk_update_root_state) */
  saveRootState(): void {
    const { root } = this;
    if (root === undefined) {
      throw new BlockUsageError(`${this.graphRoot.describe()} has no medium whose state to save`);
    }
    this.#saved = stateOf(root.state);
  }

  /** @internal Of a drive that is made before its first medium (ATT-19). */
  presetRootState(state: NodeState): void {
    this.#saved = stateOf(state);
  }

  /** How the medium is open, or else how the last one was. (blk_get_flags) */
  get openFlags(): readonly OpenFlag[] {
    const { root } = this;
    return root === undefined ? this.#saved.openFlags : flagsOf(root.state);
  }

  /**
   * How the next medium is to be opened, writable unless the last one was read-only (ATT-16).
   * (blk_get_open_flags_from_root_state)
   */
  get nextOpenFlags(): readonly OpenFlag[] {
    const { readOnly, openFlags } = this.#saved;
    const others = openFlags.filter((flag) => flag !== 'read-write');
    return readOnly ? others : ['read-write', ...others];
  }

  /** Of the medium, else of the last one; a backend that never had one is writable. (ATT-14) */
  get isReadOnly(): boolean {
    return this.root?.readOnly ?? this.#saved.readOnly;
  }

  /** It may write, whatever is in it. (blk_is_writable) */
  get isWritable(): boolean {
    return (this.graphRoot.wanted.permissions & Permission.write) !== 0;
  }

  /** There is a medium and it can be written. (blk_supports_write_perm) */
  get supportsWrite(): boolean {
    return this.root !== undefined && !this.root.readOnly;
  }

  /** SCSI generic: commands go to the device as they are. (blk_is_sg) */
  get isSg(): boolean {
    return this.root?.driver.isSg === true;
  }

  // --- notifiers

  /** After a medium was put in; the notifier sees it. Newest first. (blk_add_insert_bs_notifier) */
  addInsertNotifier(notify: () => void): void {
    this.graphRoot.insertNotifiers.add(notify);
  }

  /** It is not called any more. @throws BlockUsageError for one that was not added. */
  removeInsertNotifier(notify: () => void): void {
    this.graphRoot.insertNotifiers.remove((other) => other === notify);
  }

  /**
   * Before a medium is taken out; the notifier still sees it. Newest first.
   * (blk_add_remove_bs_notifier)
   */
  addRemoveNotifier(notify: () => void): void {
    this.graphRoot.removeNotifiers.add(notify);
  }

  /** It is not called any more. @throws BlockUsageError for one that was not added. */
  removeRemoveNotifier(notify: () => void): void {
    this.graphRoot.removeNotifiers.remove((other) => other === notify);
  }

  // --- operation blockers: of the node, so nothing of it without a medium (OPB-5)

  /** Why the operation must not be done now; undefined: it may. (blk_op_is_blocked) */
  opBlocked(operation: BlockOperation): string | undefined {
    return this.root?.opBlocked(operation);
  }

  /** Blocks the operation on the medium, until {@link opUnblock}. (blk_op_block) */
  opBlock(operation: BlockOperation, reason: BlockReason): void {
    this.root?.blockers.block(operation, reason);
  }

  /** Takes that reason away; others stay. (blk_op_unblock) */
  opUnblock(operation: BlockOperation, reason: BlockReason): void {
    this.root?.blockers.unblock(operation, reason);
  }

  /** Blocks every operation. (blk_op_block_all) */
  opBlockAll(reason: BlockReason): void {
    this.root?.blockers.blockAll(reason);
  }

  /** Takes that reason away from every operation. (blk_op_unblock_all) */
  opUnblockAll(reason: BlockReason): void {
    this.root?.blockers.unblockAll(reason);
  }

  #resolve(target: BlockNode | string): BlockNode {
    if (typeof target === 'string') return graph().find(target);
    if (typeof target !== 'object' || target === null || !graph().nodes.has(target)) {
      throw invalidArgumentType('target', 'an open node or the name of one', target);
    }
    return target;
  }
}

/**
 * Runs `body` with node and backend in one context. When that fails, both are where they were.
 *
 * @throws (rejects) what `body` throws; BlockError EPERM when neither can come to the other.
 */
async function together(
  node: BlockNode,
  root: GraphRoot,
  change: GraphChange,
  body: () => Promise<void>,
): Promise<void> {
  const before = { node: node.context, root: root.context };
  try {
    checkOpenNode(node);
    await meet(node, root, change);
    await body();
  } catch (error) {
    await moveBack(node, before.node, undefined, change);
    if (root.node === undefined) await moveBack(root, before.root, root, change);
    throw error;
  }
}

/** Another change may have closed it since it was found. */
function checkOpenNode({ isClosed, name }: BlockNode): void {
  if (!isClosed) return;
  throw new BlockError(Errno.ENODEV, { operation: 'insert', text: `node '${name}' is closed` });
}

/** The node comes to the backend, or else the backend to the node (ATT-3). */
async function meet(node: BlockNode, root: GraphRoot, change: GraphChange): Promise<void> {
  if (node.context === root.context) return;
  try {
    await moveContext(graph(), node, root.context, undefined, change);
  } catch (error) {
    if (root.node !== undefined || root.refusesMove({ to: node.context, initiator: undefined })) {
      throw error;
    }
    await moveContext(graph(), root, node.context, root, change);
  }
}

/** Whoever refuses now keeps it where it is. */
async function moveBack(
  moved: BlockNode | GraphRoot,
  to: AioContext,
  initiator: GraphRoot | undefined,
  change: GraphChange,
): Promise<void> {
  if (moved.context === to || (moved instanceof BlockNode && moved.isClosed)) return;
  try {
    await moveContext(graph(), moved, to, initiator, change);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
  }
}
