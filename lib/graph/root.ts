// A backend as the graph sees it: the parent at the top.

import type { AioContext } from '../aio/context.js';
import type { Handle, NativeBackendInfo, NativeBinding } from '../aio/native-binding.js';
import { Permission } from '../aio/protocol.js';
import type { DrainMember } from './drain.js';
import type { Edge, GraphParent } from './edge.js';
import type { BlockNode } from './node.js';
import type { Grant } from './permissions.js';

/** What the device model on a backend has to say (QEMU: BlockDevOps). */
export interface DeviceOps {
  /** The first drained section began: stop sending requests. Must not change the graph. */
  drainedBegin?(): void;
  /** The last one ended. */
  drainedEnd?(): void;
  /** Requests may still come: the section is not quiet. After a change call `kickDrain()`. */
  drainedPoll?(): boolean;
  /** The length was established anew, perhaps to what it was. */
  resize?(): void;
}

/** Runs a device's code; what it throws is an uncaught exception and disturbs nobody here. */
function callDevice<T>(hook: (() => T) | undefined, otherwise: T): T {
  try {
    return hook === undefined ? otherwise : hook();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
    return otherwise;
  }
}

export class GraphRoot implements GraphParent {
  readonly context: AioContext;
  readonly #binding: NativeBinding;
  deviceName = '';
  /** The backend is being closed: it is quiet only when no request is parked either. */
  closing = false;
  #deviceOps: DeviceOps | undefined;
  /** What the backend wants to hold, with a medium or without. */
  wanted: Grant = { permissions: 0, shared: Permission.all };
  edge: Edge | undefined;
  #leavesReadBuffers = false;
  #handle: Handle;

  constructor(binding: NativeBinding, context: AioContext) {
    this.#binding = binding;
    this.context = context;
    this.#handle = binding.backendCreate(context.handle);
  }

  get node(): BlockNode | undefined {
    return this.edge?.child;
  }

  /** 0 once destroyed. */
  get handle(): Handle {
    return this.#handle;
  }

  get leavesReadBuffers(): boolean {
    return this.#leavesReadBuffers;
  }

  resized(): void {
    const ops = this.#deviceOps;
    callDevice(() => ops?.resize?.(), undefined);
  }

  /** The graph below has changed. */
  refresh(): void {
    this.#leavesReadBuffers = this.node?.leavesReadBuffers === true;
  }

  info(): NativeBackendInfo {
    return this.#binding.backendInfo(this.#handle);
  }

  /** Of the medium, as last established. */
  get length(): number {
    return this.#binding.backendLength(this.#handle);
  }

  describe(): string {
    return this.deviceName === '' ? 'an unnamed block device' : `block device '${this.deviceName}'`;
  }

  applyGrant(edge: Edge, { permissions, shared }: Grant): number {
    return this.#binding.backendSetRoot(this.#handle, edge.child.handle, permissions, shared);
  }

  /** Tells native/ that there is no medium any more. Only while quiesced and idle. */
  clear(): void {
    this.edge = undefined;
    this.#binding.backendSetRoot(this.#handle, 0, 0, Permission.all);
  }

  quiesce(begin: boolean): void {
    if (this.#handle === 0) return;
    this.#binding.backendQuiesce(this.#handle, begin);
    const ops = this.#deviceOps;
    if (ops === undefined) return;
    const { quiesce } = this.info();
    if (begin && quiesce === 1) callDevice(() => ops.drainedBegin?.(), undefined);
    if (!begin && quiesce === 0) callDevice(() => ops.drainedEnd?.(), undefined);
  }

  /** A device that comes in the middle of a drained section is told of it at once (DEV-7). */
  setDeviceOps(ops: DeviceOps | undefined): void {
    this.#deviceOps = ops;
    if (ops === undefined || this.#handle === 0 || this.info().quiesce === 0) return;
    callDevice(() => ops.drainedBegin?.(), undefined);
  }

  inFlight(): number {
    if (this.#handle === 0) return 0;
    // In this order: a request that leaves the queue counts before it is no longer parked.
    const parked = this.closing ? this.info().parked : 0;
    return parked + this.#binding.backendInFlight(this.#handle);
  }

  /** A device that fails to answer is taken to be busy. */
  drainedPoll(): boolean {
    const ops = this.#deviceOps;
    return callDevice(() => ops?.drainedPoll?.() === true, true);
  }

  drainParents(): Iterable<DrainMember> {
    return [];
  }

  destroy(): number {
    const handle = this.#handle;
    this.#handle = 0;
    return this.#binding.backendDestroy(handle);
  }
}
