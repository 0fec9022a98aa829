// What tests see of an x-probe node.

import { controlCall } from '../aio/control.js';
import { environment } from '../aio/environment.js';
import type { Handle } from '../aio/native-binding.js';
import { isFailure } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { errnoNumber } from '../errors/errno-names.js';
import { failureError } from '../errors/native-failure.js';
import type { BlockNode } from '../graph/node.js';
import { type PermissionName, permissionNames } from '../graph/permissions.js';
import { controlOf, type NodeControl } from './node-control.js';
import { commitNode, mediaCallsOf, type ProbeLimit, xProbe } from './x-probe.js';

/** What the native driver is asked and told, in its order (ProbeHook). */
const HOOKS = [
  'open',
  'close',
  'pread',
  'pwrite',
  'pwriteZeroes',
  'pdiscard',
  'flush',
  'truncate',
  'ioctl',
  'blockStatus',
  'commit',
  'checkPermissions',
  'setPermissions',
  'abortPermissions',
  'reopenPrepare',
  'reopenCommit',
  'reopenAbort',
  'inactivate',
  'invalidate',
  'detachContext',
  'attachContext',
  'childrenChanged',
  'limits',
  'plug',
  'unplug',
  'pwriteCompressed',
  'saveVmstate',
  'loadVmstate',
  'drainedBegin',
  'drainedEnd',
] as const;

/** What a driver is asked and told. */
export type ProbeHook = (typeof HOOKS)[number];
/** How often each hook was called. */
export type ProbeCounters = Readonly<Record<ProbeHook, number>>;

/** Hooks that can wait. */
export type ProbeEvent = Extract<
  ProbeHook,
  | 'pread'
  | 'pwrite'
  | 'pwriteZeroes'
  | 'pdiscard'
  | 'flush'
  | 'truncate'
  | 'ioctl'
  | 'blockStatus'
  | 'commit'
  | 'pwriteCompressed'
  | 'saveVmstate'
  | 'loadVmstate'
  | 'reopenPrepare'
  | 'inactivate'
  | 'invalidate'
>;

/** Hooks that can be told to fail. */
export type ProbeFailure = ProbeEvent | 'open' | 'checkPermissions';

/** Limits to pretend, in bytes. */
export type ProbeLimits = Readonly<Partial<Record<ProbeLimit, number>>>;

/** Counters and switches of an x-probe node; every call throws ENOMEDIUM once it is closed. */
export class Probe {
  readonly #control: NodeControl;

  /** @internal */
  constructor(control: NodeControl) {
    this.#control = control;
  }

  /** The x-probe node. */
  get node(): BlockNode {
    return this.#control.node;
  }

  /** How often each hook was called. Asking for one is cheaper: `calls()`. */
  counters(): ProbeCounters {
    const counted = HOOKS.map((hook) => [hook, this.calls(hook)] as const);
    return Object.freeze(Object.fromEntries(counted) as Record<ProbeHook, number>);
  }

  /** How often the hook was called. */
  calls(hook: ProbeHook): number {
    return this.#control.ask('calls', hook);
  }

  /** From now on calls of the hook wait, until the tag is released. */
  hold(event: ProbeEvent, tag: string): void {
    this.#control.ask('hold', `${event}:${tag}`);
  }

  /** Lets what waits under the tag run, in order, and holds no more under it. How many waited. */
  release(tag: string): number {
    return this.#control.ask('release', tag);
  }

  /** How many wait under the tag now. */
  held(tag: string): number {
    return this.#control.ask('held', tag);
  }

  /** The next `times` calls of the hook fail; `error` like 'EIO' or its number. 0: none more. */
  failNext(hook: ProbeFailure, error: string | number = 'EIO', times = 1): void {
    const number = typeof error === 'string' ? errnoNumber(error) : Math.abs(error);
    this.#control.ask('fail', `${hook}:${number ?? error}:${times}`);
  }

  /** Sets limits and makes this node, not those above, look at them. */
  async setLimits(limits: ProbeLimits): Promise<void> {
    for (const [name, value] of Object.entries(limits)) {
      if (value !== undefined) this.#control.ask('limit', `${name}:${value}`);
    }
    await this.refresh();
  }

  /** Limits and length anew. */
  async refresh(): Promise<void> {
    const { binding } = environment();
    await this.#call('refresh', (slot, handle) => binding.nodeRefresh(slot, handle));
  }

  /** The memory is of this size now, as if the medium had changed: nobody is told. */
  setSize(bytes: number): void {
    this.#control.ask('size', String(bytes));
  }

  /** Its image is of no use any more: requests fail with ENOMEDIUM. */
  eject(): void {
    this.#control.ask('eject');
  }

  /** What guests did with tray and lock, in order: 'eject', 'load', 'lock', 'unlock'. */
  get mediaCalls(): readonly string[] {
    return mediaCallsOf(this.node);
  }

  /** What users needed when permissions were checked last. */
  get checkedPermissions(): PermissionName[] {
    return permissionNames(this.#control.ask('permissions'));
  }

  /** What users shared then. */
  get checkedShared(): PermissionName[] {
    return permissionNames(this.#control.ask('shared'));
  }

  /** Clusters of 64 KiB that are in memory. */
  get allocatedClusters(): number {
    return this.#control.ask('allocated');
  }

  /** Writes what is allocated into the backing file, whose edge must allow it, and forgets it. */
  commit(): Promise<void> {
    return commitNode(this.node);
  }

  /** The backing file's name as an image's header would have it. */
  get header(): string {
    return this.#control.text('header');
  }

  set header(backingFilename: string) {
    this.#control.ask('set-header', backingFilename);
  }

  /** How often the header was set. */
  get headerUpdates(): number {
    return this.#control.ask('header-updates');
  }

  /** The option `note` as the driver knows it. */
  get note(): string {
    return this.#control.text('note');
  }

  async #call(operation: string, start: (slot: number, handle: Handle) => void): Promise<void> {
    const { node } = this;
    if (node.isClosed) throw new BlockError(Errno.ENOMEDIUM, { operation, node: node.name });
    const result = await controlCall(environment().ring, (slot) => start(slot, node.handle));
    if (isFailure(result)) throw failureError(result, { operation, node: node.name });
  }
}

/**
 * The counters and switches of an x-probe node.
 *
 * @throws BlockError EINVAL when there is no such node, or its driver is another.
 */
export function probe(node: BlockNode | string): Probe {
  return new Probe(controlOf(node, xProbe.name));
}
