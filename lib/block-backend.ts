import { AioContext } from './aio/context.js';
import { environment } from './aio/environment.js';
import type { Handle } from './aio/native-binding.js';
import { AioForms } from './backend/aio-forms.js';
import { type RequestOwner, RequestPort } from './backend/request-port.js';
import {
  type BackendInfo,
  type BackendSettings,
  checkSettings,
  wantedGrant,
} from './backend/settings.js';
import { BackendSwitches } from './backend/switches.js';

import { invalidArgumentType } from './errors/argument-errors.js';
import { BlockError, BlockUsageError } from './errors/block-error.js';
import { Errno } from './errors/errno.js';
import { MAX_TRANSFER } from './errors/request-failure.js';
import type { DrainSection } from './graph/drain.js';
import { graph } from './graph/graph.js';
import type { BlockNode } from './graph/node.js';
import { type BlockdevOptions, parseOptions } from './graph/options.js';
import { permissionNames } from './graph/permissions.js';
import { type DeviceOps, GraphRoot } from './graph/root.js';

/** The request alignment where no medium says otherwise. */
const EMPTY_ALIGNMENT = 512;

/** All backends of this environment, in order of creation. */
const backends = new Map<GraphRoot, BlockBackend>();

/**
 * What a device model, an export or a job holds of a disk (QEMU: BlockBackend): it checks, counts,
 * drains and reports requests, and hands them to the graph of nodes below. It belongs to the Node
 * environment (thread) that made it; its requests run in its {@link AioContext}.
 *
 * ```js
 * await using blk = await BlockBackend.open({
 *   driver: 'raw',
 *   file: { driver: 'file', filename: 'disk.img', cache: { direct: true } },
 * });
 * const sector = blk.allocate(512);
 * await blk.pread(0, sector);
 * ```
 */
export class BlockBackend extends BackendSwitches implements AsyncDisposable {
  /** The same requests with callbacks. */
  readonly aio: AioForms;
  /** @internal */
  protected readonly port: RequestPort;
  readonly #root: GraphRoot;
  readonly #sections: DrainSection[] = [];
  #closing: Promise<void> | undefined;

  /**
   * An empty backend: requests fail with ENOMEDIUM. (blk_new)
   *
   * @throws BlockError EINVAL for a name that is malformed or taken.
   */
  constructor(settings: BackendSettings = {}) {
    checkSettings(settings);
    super();
    const { names, roots } = graph();
    if (settings.name !== undefined) names.checkDevice(settings.name);
    const env = environment();
    const root = new GraphRoot(env.binding, settings.context ?? AioContext.main);
    root.wanted = wantedGrant(settings);
    this.#root = root;
    this.port = new RequestPort(env, root.handle, ownerOf(root));
    this.aio = new AioForms(this.port);
    roots.add(root);
    backends.set(root, this);
    if (settings.name !== undefined) this.setName(settings.name);
    // A section over everything covers it from its first request on.
    graph().drains.refresh();
  }

  /**
   * Opens a medium and a backend on it. A string names a node that exists (or a device with a
   * medium), or is 'json:' and options. On failure nothing is left behind. (blk_new_open)
   *
   * @throws (rejects) BlockError: EINVAL for wrong options, EPERM when other users of a node do not
   * share what is needed, and whatever opening the image gives.
   */
  static async open(
    options: string | BlockdevOptions,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> {
    if (typeof options !== 'string' && (typeof options !== 'object' || options === null)) {
      throw invalidArgumentType('options', 'an object or a string', options);
    }
    checkSettings(settings);
    const plan = parseOptions(options);
    const { lock, names } = graph();
    return lock.run('open', async (change) => {
      if (settings.name !== undefined) names.checkDevice(settings.name);
      const context = graph().contextFor(plan, settings.context) ?? AioContext.main;
      const node = await graph().open(plan, context, change);
      let blk: BlockBackend | undefined;
      try {
        // Fails when its name was given away while the node was being opened.
        blk = new BlockBackend({ ...settings, context });
        blk.#root.wanted = wantedGrant(settings, node);
        graph().attach(blk.#root, node, change);
        return blk;
      } catch (error) {
        if (blk !== undefined) blk.#destroy();
        await graph().closeUnused(node, change);
        throw error;
      }
    });
  }

  /** The backend of that name. (blk_by_name) */
  static byName(name: string): BlockBackend | undefined {
    const root = graph().names.device(name);
    return root === undefined ? undefined : backends.get(root);
  }

  /** All backends, in order of creation. (blk_all_next) */
  static all(): BlockBackend[] {
    return [...backends.values()];
  }

  /** The backends with a name, in order of naming. (blk_next) */
  static named(): BlockBackend[] {
    return [...graph().names.devices()].map((root) => backends.get(root) as BlockBackend);
  }

  /** @internal */
  get handle(): Handle {
    return this.#root.handle;
  }

  /** '' without a name. */
  get name(): string {
    return this.#root.deviceName;
  }

  /**
   * Names the backend, or takes its name away with ''. (monitor_add_blk, monitor_remove_blk)
   *
   * @throws BlockError EINVAL: malformed or taken. BlockUsageError: it has a name already.
   */
  setName(name: string): void {
    const { names } = graph();
    if (name === '') {
      names.removeDevice(this.name);
    } else {
      if (this.name !== '') throw new BlockUsageError(`the backend is named '${this.name}'`);
      this.#checkOpen('name');
      names.addDevice(name, this.#root);
    }
    this.#root.deviceName = name;
  }

  /** The node that requests go to; undefined without a medium. */
  get root(): BlockNode | undefined {
    return this.#root.node;
  }

  /** What offsets and lengths should be multiples of, in bytes; others cost extra reads. */
  get requestAlignment(): number {
    return this.root?.info().requestAlignment ?? EMPTY_ALIGNMENT;
  }

  /** The longest transfer that is not cut or refused, in bytes. (blk_get_max_transfer) */
  get maxTransfer(): number {
    const most = Math.min(this.root?.info().maxTransfer || MAX_TRANSFER, MAX_TRANSFER);
    return most - (most % this.requestAlignment);
  }

  get context(): AioContext {
    return this.#root.context;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Requests from their call until their callback returned or their promise was resolved. */
  get inFlight(): number {
    return this.#root.inFlight();
  }

  /** Requests that wait for the end of a drained section. */
  get parked(): number {
    return this.isDestroyed ? 0 : this.#root.info().parked;
  }

  /** Drained sections that hold requests back. */
  get quiesceCount(): number {
    return this.isDestroyed ? 0 : this.#root.info().quiesce;
  }

  info(): BackendInfo {
    const { name, root, context } = this;
    const none = { inFlight: 0, parked: 0, quiesce: 0, available: false };
    const { inFlight, parked, quiesce, available } = this.isDestroyed ? none : this.#root.info();
    return Object.freeze({
      name,
      context: context.name,
      node: root?.name,
      inFlight,
      parked,
      quiesceCount: quiesce,
      available,
      permissions: permissionNames(this.#root.wanted.permissions),
      shared: permissionNames(this.#root.wanted.shared),
    });
  }

  /** What the device on this backend wants to know of drained sections. (blk_set_dev_ops) */
  setDeviceOps(ops: DeviceOps | undefined): void {
    this.#root.setDeviceOps(ops);
    this.kickDrain();
  }

  /**
   * A drained section over the node, everything above it, and this backend: requests that come from
   * now on wait for its end, and the promise resolves when those under way are done. It takes
   * effect before this returns. (bdrv_drained_begin)
   *
   * ```js
   * await using section = await blk.drained();
   * ```
   */
  async drained(): Promise<DrainSection> {
    const section = this.#beginSection();
    await section.quiet();
    return section;
  }

  /** Like {@link drained}, to be ended by {@link drainEnd}. */
  drainBegin(): Promise<void> {
    const section = this.#beginSection();
    this.#sections.push(section);
    return section.quiet();
  }

  /**
   * Ends the section that drainBegin() began last. Requests that waited have started, in order,
   * when it returns, unless other sections hold them back.
   *
   * @throws BlockUsageError when all sections have ended.
   */
  drainEnd(): void {
    const section = this.#sections.pop();
    if (section === undefined) throw new BlockUsageError('drainEnd() without drainBegin()');
    section.end();
  }

  /** A device's drainedPoll() may give another answer now. */
  kickDrain(): void {
    graph().drains.kick();
  }

  /**
   * Closes the backend: waiting requests get ENOMEDIUM, running ones are waited for, and nodes
   * without other users are closed. Later requests fail with ENOMEDIUM. Closing twice is closing
   * once. (blk_unref)
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { drains, lock } = graph();
    const root = this.#root;
    this.port.close();
    root.closing = true;
    const section = drains.begin(() => [root]);
    environment().binding.backendAbortParked(root.handle, Errno.ENOMEDIUM);
    environment().ring.arm();
    await section.quiet();
    await lock.run(`close ${root.describe()}`, async (change) => {
      const { node } = root;
      graph().detach(root, change);
      this.#destroy();
      section.end();
      if (node !== undefined) await graph().closeUnused(node, change);
    });
  }

  #destroy(): void {
    this.port.close();
    if (this.name !== '') this.setName('');
    graph().roots.delete(this.#root);
    backends.delete(this.#root);
    this.#root.destroy();
  }

  #beginSection(): DrainSection {
    const root = this.#root;
    return graph().drains.begin(() => (root.node === undefined ? [root] : [root.node, root]));
  }

  /** @internal */
  protected setFlag(flag: number, value: boolean): void {
    this.#checkOpen('set');
    environment().binding.backendSetFlag(this.#root.handle, flag, value);
  }

  #checkOpen(operation: string): void {
    if (this.#closing === undefined) return;
    throw new BlockError(Errno.ENOMEDIUM, { operation, text: 'the backend is closed' });
  }

  /** Closed, and nothing is left natively. */
  private get isDestroyed(): boolean {
    return this.#root.handle === 0;
  }
}

function ownerOf(root: GraphRoot): RequestOwner {
  return {
    get name() {
      return root.deviceName;
    },
    get leavesReadBuffers() {
      return root.leavesReadBuffers;
    },
    nodeName: (id) => graph().nodeName(id),
    medium() {
      if (root.edge === undefined) return undefined;
      const { child, permissions } = root.edge;
      return { length: root.length, readOnly: child.readOnly, permissions };
    },
  };
}
