import { type BlockDeviceStats, nodeStats } from '../accounting/block-stats.js';
import type { AioContext } from '../aio/context.js';
import type {
  Handle,
  NativeBinding,
  NativeFailure,
  NativeNodeInfo,
} from '../aio/native-binding.js';
import { ChildRole, Permission } from '../aio/protocol.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { DirtyBitmaps } from './dirty-bitmaps.js';
import type { DrainMember } from './drain.js';
import type { ChildDefinition, DriverDefinition, DriverOptions } from './driver-definition.js';
import type { Edge, GraphParent } from './edge.js';
import type { DetectZeroes, NodeState } from './node-state.js';
import { type BlockOperation, type BlockReason, OpBlockers } from './op-blockers.js';
import type { NodePlan } from './options.js';
import { defaultGrant, type Grant, NO_GRANT } from './permissions.js';

/** What a backing file may be part of all the same (OPB-6). */
const ALLOWED_ON_BACKING: readonly BlockOperation[] = [
  'commit-target',
  'stream',
  'backup-source',
  'backup-target',
];

/** With these, an image must be open for writing. */
export const NEEDS_WRITING = Permission.write | Permission.writeUnchanged | Permission.resize;

/** Numbers of native block::DetectZeroes. */
const DETECT_ZEROES: Readonly<Record<DetectZeroes, number>> = { off: 0, on: 1, unmap: 2 };

/** A node's link to one of its children, with the driver's word on permissions. */
export interface NodeChild {
  readonly definition: ChildDefinition;
  readonly edge: Edge;
}

/** A frozen snapshot. */
export interface BlockNodeInfo extends NativeNodeInfo {
  readonly name: string;
  readonly driver: string;
  readonly readOnly: boolean;
}

/**
 * A node of the block graph (QEMU: BlockDriverState): a driver with its options, its children and
 * its users. Nodes are opened and closed by the graph; requests reach them through backends.
 */
export class BlockNode implements GraphParent {
  /** What sort of a parent it is. */
  readonly kind = 'block-driver';
  /** Unique in its environment (QAPI: node-name). */
  readonly name: string;
  /** What carries its requests out. */
  readonly driver: DriverDefinition;
  /** Unique in its environment. */
  readonly id: number;
  /** Newest first, as QEMU lists them. */
  readonly children: NodeChild[] = [];
  /** Newest first, as QEMU lists them. */
  readonly parents: Edge[] = [];
  /** Always empty: it is no backend. */
  readonly deviceName = '';
  /** Nodes go wherever their users go. */
  readonly pinsContext = false;
  /** Opened as an inline child of this node, whose options are its defaults. */
  inheritsFrom: BlockNode | undefined;
  /** Added by blockdevAdd(), and only to be deleted by blockdevDel(). */
  monitorOwned = false;
  /** Put there by an operation, such as a job, and not by a user. */
  implicit = false;
  /** Held by code that is about to use it (bdrv_ref). */
  references = 0;
  /** @internal What the driver has locked: the sum of its users, as last set. */
  granted: Grant = NO_GRANT;
  /** @internal Names the next edge. */
  nextKey = 0;
  /** @internal */
  readonly blockers = new OpBlockers();
  /** @internal Its auto-read-only image is open for writing. */
  openForWriting: boolean;
  readonly #binding: NativeBinding;
  #context: AioContext;
  #state: NodeState;
  #handle: Handle;
  #dirtyBitmaps: DirtyBitmaps | undefined;
  #copyOnRead = 0;
  /** Why it is blocked as the backing file of the parent at that edge. */
  readonly #backingReasons = new Map<Edge, BlockReason>();

  /** @internal */
  constructor(
    binding: NativeBinding,
    handle: Handle,
    name: string,
    plan: NodePlan,
    context: AioContext,
  ) {
    this.#binding = binding;
    this.#handle = handle;
    this.name = name;
    this.driver = plan.driver;
    this.#state = Object.freeze({ ...plan.state, options: Object.freeze(plan.state.options) });
    this.#context = context;
    this.id = binding.nodeInfo(handle).id;
    this.openForWriting = !plan.state.readOnly && !this.opensOnDemand;
  }

  /** The event loop that it lives in. */
  get context(): AioContext {
    return this.#context;
  }

  /** It was closed: whatever needs it fails with ENOMEDIUM. */
  get isClosed(): boolean {
    return this.#handle === 0;
  }

  /** @internal 0 once closed. */
  get handle(): Handle {
    return this.#handle;
  }

  /** How it is open: the options that all drivers share. */
  get state(): NodeState {
    return this.#state;
  }

  /** The driver's own options, defaults included. */
  get options(): DriverOptions {
    return this.#state.options;
  }

  /** No request may write to it. (bdrv_is_read_only) */
  get readOnly(): boolean {
    return this.#state.readOnly;
  }

  /** Its image belongs to another process until it is activated. (BDRV_O_INACTIVE) */
  get inactive(): boolean {
    return this.#state.inactive;
  }

  /** It opens its image for writing only while somebody writes (FILE-3). */
  get opensOnDemand(): boolean {
    const { autoReadOnly, readOnly } = this.#state;
    return this.driver.autoReadOnly === true && autoReadOnly && !readOnly;
  }

  /** Somebody needs it to stay. */
  get isUsed(): boolean {
    return this.parents.length > 0 || this.monitorOwned || this.references > 0;
  }

  /** The child with this name. */
  child(name: string): NodeChild | undefined {
    return this.children.find(({ edge }) => edge.name === name);
  }

  /** The child that holds what this node does not (bdrv_cow_child). */
  get backing(): Edge | undefined {
    return this.#edgeOfRole(ChildRole.cow);
  }

  /** The child whose content this node shows as it is (bdrv_filter_child). */
  get filtered(): Edge | undefined {
    return this.#edgeOfRole(ChildRole.filtered);
  }

  /** It shows what its child shows, and is no format (bdrv_filter_bs). */
  get isFilter(): boolean {
    return this.driver.isFormat !== true && this.filtered !== undefined;
  }

  /** The child that holds the content (bdrv_primary_child). */
  get storage(): Edge | undefined {
    return this.#edgeOfRole(ChildRole.primary);
  }

  /** Every parent is a backend (bdrv_is_root_node). */
  get isRootNode(): boolean {
    return this.parents.every(({ parent }) => parent.kind === 'block-backend');
  }

  /** A backend is among the parents (bdrv_has_blk). */
  get hasBackend(): boolean {
    return this.parents.some(({ parent }) => parent.kind === 'block-backend');
  }

  /**
   * Its limits and length, in bytes, and its counters: a frozen snapshot.
   *
   * @throws BlockError ENOMEDIUM once closed.
   */
  info(): BlockNodeInfo {
    this.#checkOpen('info');
    const { name, readOnly, driver } = this;
    const native = this.#binding.nodeInfo(this.#handle);
    return Object.freeze({ ...native, name, driver: driver.name, readOnly });
  }

  /**
   * Requests are accounted by the backends above, so all there is of a node is how far writes went.
   *
   * @throws BlockError ENOMEDIUM once closed.
   */
  get stats(): BlockDeviceStats {
    return nodeStats(this.info().highestWrittenOffset);
  }

  // --- copy-on-read

  /** Reads keep in this node what they had to read from a backing file. */
  get copiesOnRead(): boolean {
    return this.#copyOnRead > 0;
  }

  /**
   * From now on it {@link copiesOnRead}, until as many calls of `disableCopyOnRead`. Requests that
   * were made before do as they did. Meanwhile no reopen makes the node read-only.
   * (bdrv_enable_copy_on_read)
   *
   * @throws BlockError ENOMEDIUM once closed, EINVAL when it is read-only.
   */
  enableCopyOnRead(): void {
    this.#checkOpen('copy-on-read');
    if (this.readOnly) {
      const text = 'copy-on-read cannot be used on a node that is read-only';
      throw new BlockError(Errno.EINVAL, { operation: 'copy-on-read', node: this.name, text });
    }
    this.#copyOnRead += 1;
    this.mirrorState();
  }

  /**
   * Takes one {@link enableCopyOnRead} back. (bdrv_disable_copy_on_read)
   *
   * @throws BlockUsageError when it was not enabled as often.
   */
  disableCopyOnRead(): void {
    this.#checkOpen('copy-on-read');
    if (this.#copyOnRead === 0) {
      throw new BlockUsageError(`copy-on-read is not enabled on node '${this.name}'`);
    }
    this.#copyOnRead -= 1;
    this.mirrorState();
  }

  /** What was changed in it, as far as somebody watches. */
  get dirtyBitmaps(): DirtyBitmaps {
    this.#dirtyBitmaps ??= new DirtyBitmaps(this.#binding, this.name, () => this.#handle);
    return this.#dirtyBitmaps;
  }

  /** @internal */
  setWriteThreshold(bytes: number): void {
    this.#binding.nodeSetWriteThreshold(this.#handle, bytes);
  }

  /** @internal */
  size(): { readonly length: number; readonly requestAlignment: number } {
    return this.info();
  }

  /** The first name that a backend above gives it; '' without one (bdrv_get_device_name). */
  get parentDeviceName(): string {
    return this.parents.find(({ parent }) => parent.deviceName !== '')?.parent.deviceName ?? '';
  }

  /** The same, falling back to the node's name (bdrv_get_device_or_node_name). */
  get deviceOrNodeName(): string {
    return this.parentDeviceName || this.name;
  }

  // --- operation blockers

  /** Why the operation must not be done, or undefined (bdrv_op_is_blocked). */
  opBlocked(operation: BlockOperation): string | undefined {
    const reason = this.blockers.reason(operation);
    return reason && `Node '${this.deviceOrNodeName}' is busy: ${reason.message}`;
  }

  /** @internal A blocker that is not the graph's own: the node must not be closed. */
  get foreignBlocker(): BlockReason | undefined {
    return this.blockers.otherThan(new Set(this.#backingReasons.values()));
  }

  /** @internal A parent has linked this node. */
  becameChild(edge: Edge): void {
    if ((edge.role & ChildRole.cow) === 0) return;
    const { parent } = edge;
    const name = parent instanceof BlockNode ? parent.deviceOrNodeName : parent.describe();
    const reason = { message: `node is used as backing hd of '${name}'` };
    this.#backingReasons.set(edge, reason);
    this.blockers.blockAll(reason);
    for (const operation of ALLOWED_ON_BACKING) this.blockers.unblock(operation, reason);
  }

  /** @internal */
  ceasedChild(edge: Edge): void {
    const reason = this.#backingReasons.get(edge);
    if (reason === undefined) return;
    this.blockers.unblockAll(reason);
    this.#backingReasons.delete(edge);
  }

  // --- permissions

  /** What a child's edge holds when the edges into this node hold `parents`. */
  childGrant({ definition, edge }: NodeChild, parents: Grant): Grant {
    const { inactive, noIo } = this.#state;
    const state = { writable: !this.readOnly && !inactive, inactive, noIo };
    // A node that nobody uses holds nothing (PERM-17).
    const used = this.parents.length > 0;
    const grant = used
      ? (definition.permissions?.(parents, state, this.options) ??
        defaultGrant(edge.role, parents, state))
      : NO_GRANT;
    const permissions = grant.permissions | edge.extra;
    const { shared } = edge.child.state.forceShare ? NO_GRANT : grant;
    return { permissions, shared };
  }

  /** @internal */
  wantedGrant(edge: Edge): Grant {
    return edge;
  }

  /** @internal */
  checkPermissions({ permissions, shared }: Grant): number | NativeFailure {
    return this.#binding.nodeCheckPermissions(this.#handle, permissions, shared);
  }

  /** @internal */
  settlePermissions(commit: boolean): void {
    this.#binding.nodeSettlePermissions(this.#handle, commit);
  }

  // --- native mirror

  /** @internal */
  mirror(edge: Edge): number {
    const { key, role, child, permissions, shared } = edge;
    const { handle } = child;
    return this.#binding.nodeSetChild(this.#handle, key, role, handle, permissions, shared);
  }

  /** @internal */
  mirrorRemoved(edge: Edge): number {
    return this.#binding.nodeSetChild(this.#handle, edge.key, 0, 0, 0, 0);
  }

  /** @internal Transactions only. */
  setState(state: NodeState): void {
    this.#state = Object.freeze(state);
  }

  /** @internal */
  mirrorState(): void {
    const { readOnly, noFlush, discardUnmap, inactive, detectZeroes } = this.#state;
    this.#binding.nodeSetState(this.#handle, {
      readOnly,
      noFlush,
      discardUnmap,
      inactive,
      detectZeroes: DETECT_ZEROES[detectZeroes],
      copyOnRead: this.copiesOnRead,
    });
  }

  /** @internal */
  graphChanged(): void {
    for (const { parent } of this.parents) parent.graphChanged();
  }

  /** @internal */
  refusesMove(): undefined {
    return undefined;
  }

  /** @internal */
  moved(to: AioContext): void {
    this.#context = to;
  }

  /** Reads may leave the caller's buffer as it is, here or below. */
  get leavesReadBuffers(): boolean {
    return (
      this.driver.leavesReadBuffers?.(this.options) === true ||
      this.children.some(({ edge }) => edge.child.leavesReadBuffers)
    );
  }

  /** @internal */
  describe(): string {
    return `node '${this.name}'`;
  }

  // --- drain

  /** @internal */
  quiesce(begin: boolean): void {
    if (!this.isClosed) this.#binding.nodeQuiesce(this.#handle, begin);
  }

  /** @internal */
  inFlight(): number {
    return this.isClosed ? 0 : this.#binding.nodeInFlight(this.#handle);
  }

  /** @internal */
  drainedPoll(): boolean {
    return false;
  }

  /** @internal */
  *drainParents(): Iterable<DrainMember> {
    for (const edge of this.parents) yield edge.parent.drainMember?.(edge) ?? edge.parent;
  }

  /** @internal Gives the handle up: the caller closes it. */
  takeHandle(): Handle {
    const handle = this.#handle;
    this.#handle = 0;
    return handle;
  }

  #edgeOfRole(role: number): Edge | undefined {
    return this.children.find(({ edge }) => (edge.role & role) !== 0)?.edge;
  }

  #checkOpen(operation: string): void {
    if (!this.isClosed) return;
    const text = 'the node is closed';
    throw new BlockError(Errno.ENOMEDIUM, { operation, node: this.name, text });
  }
}
