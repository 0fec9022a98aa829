import type { AioContext } from '../aio/context.js';
import type { Handle, NativeBinding, NativeNodeInfo } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { DrainMember } from './drain.js';
import type { ChildDefinition, DriverDefinition, DriverOptions } from './driver-definition.js';
import type { Edge, GraphParent } from './edge.js';
import type { NodePlan } from './options.js';
import { defaultGrant, type Grant, NO_GRANT } from './permissions.js';

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
  readonly name: string;
  readonly driver: DriverDefinition;
  /** The driver's own options, defaults included. */
  readonly options: DriverOptions;
  readonly readOnly: boolean;
  readonly forceShare: boolean;
  readonly context: AioContext;
  /** Unique in its environment. */
  readonly id: number;
  /** In order of attachment, which is native's order too. */
  readonly children: NodeChild[] = [];
  /** Newest first, as QEMU lists them. */
  readonly parents: Edge[] = [];
  readonly deviceName = '';
  readonly #binding: NativeBinding;
  #handle: Handle;

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
    this.options = Object.freeze(plan.options);
    this.readOnly = plan.readOnly;
    this.forceShare = plan.forceShare;
    this.context = context;
    this.id = binding.nodeInfo(handle).id;
  }

  get isClosed(): boolean {
    return this.#handle === 0;
  }

  /** @internal 0 once closed. */
  get handle(): Handle {
    return this.#handle;
  }

  /** @throws BlockError ENOMEDIUM once closed. */
  info(): BlockNodeInfo {
    if (this.isClosed) {
      const text = 'the node is closed';
      throw new BlockError(Errno.ENOMEDIUM, { operation: 'info', node: this.name, text });
    }
    const { name, readOnly, driver } = this;
    const native = this.#binding.nodeInfo(this.#handle);
    return Object.freeze({ ...native, name, driver: driver.name, readOnly });
  }

  /** The first name that a backend above gives it; '' without one (bdrv_get_device_name). */
  get parentDeviceName(): string {
    return this.parents.find(({ parent }) => parent.deviceName !== '')?.parent.deviceName ?? '';
  }

  /** What a child's edge holds when the edges into this node hold `parents`. */
  childGrant({ definition, edge }: NodeChild, parents: Grant): Grant {
    const state = { writable: !this.readOnly };
    // A node that nobody uses holds nothing (PERM-17).
    if (this.parents.length === 0) return NO_GRANT;
    const grant =
      definition.permissions?.(parents, state, this.options) ??
      defaultGrant(edge.role, parents, state);
    return edge.child.forceShare ? { ...grant, shared: NO_GRANT.shared } : grant;
  }

  /** Reads may leave the caller's buffer as it is, here or below. */
  get leavesReadBuffers(): boolean {
    return (
      this.driver.leavesReadBuffers?.(this.options) === true ||
      this.children.some(({ edge }) => edge.child.leavesReadBuffers)
    );
  }

  describe(): string {
    return `node '${this.name}'`;
  }

  applyGrant(edge: Edge, grant: Grant): number {
    const index = this.children.findIndex((child) => child.edge === edge);
    const { permissions, shared } = grant;
    const child = edge.child.handle;
    return this.#binding.nodeSetChild(this.#handle, index, child, permissions, shared);
  }

  quiesce(begin: boolean): void {
    if (!this.isClosed) this.#binding.nodeQuiesce(this.#handle, begin);
  }

  inFlight(): number {
    return this.isClosed ? 0 : this.#binding.nodeInFlight(this.#handle);
  }

  drainedPoll(): boolean {
    return false;
  }

  *drainParents(): Iterable<DrainMember> {
    for (const { parent } of this.parents) yield parent;
  }

  /** @internal Gives the handle up: the caller closes it. */
  takeHandle(): Handle {
    const handle = this.#handle;
    this.#handle = 0;
    return handle;
  }
}
