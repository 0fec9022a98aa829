// A backend as the graph sees it: the parent at the top.

import type { AioContext } from '../aio/context.js';
import type { Handle, NativeBackendInfo, NativeBinding } from '../aio/native-binding.js';
import { BackendFlag, ChildRole, Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { BlockDevOps } from './device-ops.js';
import type { DrainMember } from './drain.js';
import type { Edge, GraphParent, MoveQuestion } from './edge.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';
import { callForeign, Notifiers } from './notifiers.js';
import { type Grant, NO_GRANT } from './permissions.js';

/** Called before the backend leaves its context, and after it arrived in another. */
export interface ContextNotifier {
  readonly attached: (context: AioContext, opaque: unknown) => void;
  readonly detach: (opaque: unknown) => void;
  readonly opaque: unknown;
}

/** What a guest's disk has when its device has gone. */
const SECTOR = 512;

const WRITING = Permission.write | Permission.writeUnchanged;

/** One for all, as each backend has several. */
function nothing(): void {}

export class GraphRoot implements GraphParent {
  readonly kind = 'block-backend';
  /** What QEMU gives the root edge, too. */
  readonly role = ChildRole.filtered | ChildRole.primary;
  readonly insertNotifiers = new Notifiers<() => void>('insert');
  readonly removeNotifiers = new Notifiers<() => void>('remove');
  readonly contextNotifiers = new Notifiers<ContextNotifier>('context');
  readonly #binding: NativeBinding;
  deviceName = '';
  /** The device model that was attached; undefined without one. */
  device: unknown;
  /** For names in errors, while a device is attached. */
  deviceId = '';
  devicePath = '';
  /** In bytes; for others to know (blk_set_guest_block_size). */
  guestBlockSize = 0;
  /** Those who hold the backend; whoever drops the last one ends it. */
  references = 1;
  /** Ends a backend that nobody holds any more. */
  end: () => void = nothing;
  /** Set by the backend: the first section over a device began, or the last one ended. */
  quiesceHook: (quiesced: boolean) => void = nothing;
  /** Follows its nodes into any context (blk_set_allow_aio_context_change). */
  allowsContextChange = false;
  /** Gives its permissions up for a migration although nobody knows it (INACT-7). */
  forceInactivate = false;
  /** The backend is being closed: it is quiet only when no request is parked either. */
  closing = false;
  /** The wanted permissions are remembered, not held (INACT-1). */
  permissionsDisabled = false;
  #deviceOps: BlockDevOps | undefined;
  /** What the backend wants to hold, with a medium or without. */
  wanted: Grant = { permissions: 0, shared: Permission.all };
  /** While a migration comes in: what is shared until the machine runs (INACT-4). */
  sharesAll = false;
  edge: Edge | undefined;
  #leavesReadBuffers = false;
  #context: AioContext;
  #handle: Handle;

  constructor(binding: NativeBinding, context: AioContext) {
    this.#binding = binding;
    this.#context = context;
    this.#handle = binding.backendCreate(context.handle);
  }

  get context(): AioContext {
    return this.#context;
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

  get deviceOps(): BlockDevOps | undefined {
    return this.#deviceOps;
  }

  /** The id of its device, else the path; '' without either. (blk_get_attached_dev_id) */
  get attachedId(): string {
    return this.deviceId || this.devicePath;
  }

  /** The tray as its device has it now; closed where there is none. */
  get isTrayOpen(): boolean {
    const ops = this.#deviceOps;
    return callForeign(() => ops?.isTrayOpen?.() === true, false);
  }

  /** Requests look at a copy of the tray: whoever may have moved it brings that up to date. */
  refreshTray(): void {
    if (this.#handle === 0) return;
    this.#binding.backendSetFlag(this.#handle, BackendFlag.trayOpen, this.isTrayOpen);
  }

  resized(): void {
    const ops = this.#deviceOps;
    callForeign(() => ops?.resize?.(), undefined);
  }

  graphChanged(): void {
    this.#leavesReadBuffers = this.node?.leavesReadBuffers === true;
  }

  letDeviceGo(): void {
    this.device = undefined;
    this.deviceId = '';
    this.devicePath = '';
    this.setDeviceOps(undefined);
    this.guestBlockSize = SECTOR;
  }

  /** Drops a reference; the last one ends the backend, in its own time. */
  letGo(): void {
    if (this.references === 1) this.end();
    else this.references -= 1;
  }

  info(): NativeBackendInfo {
    return this.#binding.backendInfo(this.#handle);
  }

  /** Of the medium, as last established. */
  get length(): number {
    return this.#binding.backendLength(this.#handle);
  }

  describe(): string {
    const name = this.deviceName || this.attachedId;
    return name === '' ? 'an unnamed block device' : `block device '${name}'`;
  }

  // --- permissions

  wantedGrant(): Grant {
    if (this.permissionsDisabled) return NO_GRANT;
    return this.sharesAll ? { ...this.wanted, shared: NO_GRANT.shared } : this.wanted;
  }

  mirror({ child, permissions, shared }: Edge): number {
    return this.#binding.backendSetRoot(this.#handle, child.handle, permissions, shared);
  }

  mirrorRemoved(): number {
    return this.#binding.backendSetRoot(this.#handle, 0, 0, Permission.all);
  }

  refusesInactivation(): BlockError | undefined {
    if (this.permissionsDisabled) return undefined;
    const known = this.device !== undefined || this.deviceName !== '' || this.forceInactivate;
    if (known || (this.wanted.permissions & WRITING) === 0) return undefined;
    const text = `${this.describe()} writes, and nobody would give it back what it gave up`;
    return new BlockError(Errno.EPERM, { operation: 'inactivate', text });
  }

  /** Set by the backend: it takes its permissions again. */
  activateHook: ((change: GraphChange) => Promise<void>) | undefined;

  async activate(_edge: Edge, change: GraphChange): Promise<void> {
    await this.activateHook?.(change);
  }

  // --- contexts

  /** It was made or put where it is, and does not follow others. */
  get pinsContext(): boolean {
    return !this.allowsContextChange;
  }

  refusesMove({ to, initiator }: MoveQuestion): string | undefined {
    if (initiator === this || this.#context === to || this.allowsContextChange) return undefined;
    if (this.deviceName !== '' && this.device === undefined) return undefined;
    return `Cannot change iothread of active block backend: ${this.describe()}`;
  }

  moved(to: AioContext): void {
    this.#context = to;
  }

  /** As in QEMU they hang on the medium: a backend without one tells nobody (CTX-13). */
  contextDetach(): void {
    if (this.node === undefined) return;
    this.contextNotifiers.call(({ detach, opaque }) => detach(opaque));
  }

  contextAttached(to: AioContext): void {
    if (this.node === undefined) return;
    this.contextNotifiers.call(({ attached, opaque }) => attached(to, opaque));
  }

  // --- drain

  quiesce(begin: boolean): void {
    if (this.#handle === 0) return;
    this.#binding.backendQuiesce(this.#handle, begin);
    const ops = this.#deviceOps;
    if (ops === undefined) return;
    const { quiesce } = this.info();
    if (quiesce !== (begin ? 1 : 0)) return;
    this.quiesceHook(begin);
    callForeign(() => (begin ? ops.drainedBegin?.() : ops.drainedEnd?.()), undefined);
  }

  /** A device that comes in the middle of a drained section is told of it at once (DEV-7). */
  setDeviceOps(ops: BlockDevOps | undefined): void {
    this.#deviceOps = ops;
    this.refreshTray();
    const isQuiesced = ops !== undefined && this.isQuiesced;
    this.quiesceHook(isQuiesced);
    if (!isQuiesced) return;
    callForeign(() => ops.drainedBegin?.(), undefined);
  }

  get isQuiesced(): boolean {
    return this.#handle !== 0 && this.info().quiesce > 0;
  }

  /** Requests alone, without what else a section waits for. */
  get requests(): number {
    return this.#handle === 0 ? 0 : this.#binding.backendInFlight(this.#handle);
  }

  inFlight(): number {
    if (this.#handle === 0) return 0;
    // In this order: a request that leaves the queue counts before it is no longer parked.
    const parked = this.closing ? this.info().parked : 0;
    return parked + this.#binding.backendBusy(this.#handle);
  }

  /** A device that fails to answer is taken to be busy. */
  drainedPoll(): boolean {
    const ops = this.#deviceOps;
    return callForeign(() => ops?.drainedPoll?.() === true, true);
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
