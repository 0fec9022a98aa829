import { AioContext } from './aio/context.js';
import { environment } from './aio/environment.js';
import type { Handle } from './aio/native-binding.js';
import { AioForms } from './backend/aio-forms.js';
import { endUsers } from './backend/close-all.js';
import type { LegacyDriveInfo } from './backend/device.js';
import { BackendLimits } from './backend/limits.js';
import { RootOwner } from './backend/request-owner.js';
import { RequestPort } from './backend/request-port.js';
import {
  type BackendInfo,
  type BackendSettings,
  checkSettings,
  wantedGrant,
} from './backend/settings.js';
import { invalidArgumentType } from './errors/argument-errors.js';
import { BlockError, BlockUsageError } from './errors/block-error.js';
import { Errno } from './errors/errno.js';
import { MAX_TRANSFER } from './errors/request-failure.js';
import { withNode } from './graph/drain.js';
import { graph } from './graph/graph.js';
import type { GraphChange } from './graph/graph-lock.js';
import { type ImageOptions, type Plan, parseImageOptions } from './graph/image-options.js';
import type { BlockNode } from './graph/node.js';
import { openImage } from './graph/open-image.js';
import { useHeaderReader } from './graph/probe-format.js';
import { GraphRoot } from './graph/root.js';
import { checkClosable, checkNobodyElse } from './graph/users.js';

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
export class BlockBackend extends BackendLimits implements AsyncDisposable {
  /** The same requests with callbacks. */
  readonly aio: AioForms;
  /** @internal */
  protected readonly port: RequestPort;
  /** @internal */
  protected readonly graphRoot: GraphRoot;
  #ending: Promise<void> | undefined;
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
    root.end = () => this.#endUnheld();
    this.graphRoot = root;
    root.activateHook = (change) => this.activateLocked(change);
    this.port = new RequestPort(env, root.handle, new RootOwner(root));
    this.aio = new AioForms(this.port);
    this.accounting.begin(settings);
    this.beginErrors(settings);
    this.accountRequests = settings.accountRequests === true;
    roots.add(root);
    backends.set(root, this);
    if (settings.name !== undefined) this.setName(settings.name);
    // A section over everything covers it from its first request on.
    graph().drains.refresh();
  }

  /**
   * Opens a medium and a backend on it. A string names a node that exists (or a device with a
   * medium), or is 'json:' and options. With `filename` the format is found out. On failure nothing is left behind. (blk_new_open)
   *
   * @throws (rejects) BlockError: EINVAL for wrong options, EPERM when other users of a node do not
   * share what is needed, and whatever opening the image gives.
   */
  static async open(
    options: string | ImageOptions,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> {
    if (typeof options !== 'string' && (typeof options !== 'object' || options === null)) {
      throw invalidArgumentType('options', 'an object or a string', options);
    }
    checkSettings(settings);
    const plan = parseImageOptions(options, settings);
    return graph().lock.run('open', (change) => BlockBackend.#openLocked(plan, settings, change));
  }

  static async #openLocked(
    plan: Plan,
    settings: BackendSettings,
    change: GraphChange,
  ): Promise<BlockBackend> {
    if (settings.name !== undefined) graph().names.checkDevice(settings.name);
    const there = graph().contextFor(plan);
    const context = there ?? settings.context ?? AioContext.main;
    const node = await openImage(graph(), plan, context, change);
    let blk: BlockBackend | undefined;
    try {
      // Fails when its name was given away while the node was being opened.
      blk = new BlockBackend({ ...settings, context: settings.context ?? node.context });
      const root = blk.graphRoot;
      root.wanted = wantedGrant(settings, node);
      // Its image belongs to another process until it is activated (INACT-15).
      root.permissionsDisabled = node.inactive;
      await blk.putIn(node, change);
      return blk;
    } catch (error) {
      blk?.destroy();
      await graph().closeUnused(node, change);
      throw error;
    }
  }

  /** @internal The first bytes of a node that is being opened, read with no permissions. */
  static async readHeader(
    node: BlockNode,
    bytes: number,
    change: GraphChange,
  ): Promise<Uint8Array> {
    const blk = new BlockBackend({ context: node.context, permissions: [] });
    node.references += 1;
    try {
      await blk.putIn(node, change);
      const header = Buffer.alloc(Math.min(bytes, await blk.getLength()));
      if (header.length > 0) await blk.pread(0, header);
      return header;
    } finally {
      await blk.takeOut(change);
      blk.destroy();
      node.references -= 1;
    }
  }

  /** The backend of that name. (blk_by_name) */
  static byName(name: string): BlockBackend | undefined {
    const root = graph().names.device(name);
    return root === undefined ? undefined : backends.get(root);
  }

  /**
   * The first backend, in order of creation, that this device was attached to. (blk_by_dev)
   *
   * @throws BlockUsageError for something that cannot be a device.
   */
  static byDevice(device: object): BlockBackend | undefined {
    if (typeof device !== 'object' || device === null) {
      throw new BlockUsageError('a device is an object');
    }
    return BlockBackend.all().find((blk) => blk.device === device);
  }

  /**
   * The backend of the device with this id or path. (blk_by_qdev_id)
   *
   * @throws BlockError ENODEV when no device has it, or the device has no backend.
   */
  static byDeviceId(id: string): BlockBackend {
    const found = BlockBackend.all().find(
      ({ deviceId, devicePath }) => id !== '' && (deviceId === id || devicePath === id),
    );
    if (found !== undefined) return found;
    const text = `there is no device '${id}' with a backend`;
    throw new BlockError(Errno.ENODEV, { operation: 'find', text });
  }

  /** Among named backends. @throws BlockUsageError when none has it. (blk_by_legacy_dinfo) */
  static byLegacyDriveInfo(info: LegacyDriveInfo): BlockBackend {
    const found = BlockBackend.named().find((blk) => blk.legacyDriveInfo === info);
    if (found === undefined) throw new BlockUsageError('no named backend has this drive info');
    return found;
  }

  /** All backends, in order of creation. (blk_all_next) */
  static all(): BlockBackend[] {
    return [...backends.values()];
  }

  /** The backends with a name, in order of naming. (blk_next) */
  static named(): BlockBackend[] {
    return [...graph().names.devices()].map((root) => backends.get(root) as BlockBackend);
  }

  /**
   * Takes the medium out of every backend, those without a name included; the backends stay.
   * (blk_remove_all_bs)
   *
   * @throws (rejects) BlockUsageError when a node would be closed that is blocked.
   */
  static async removeAllRoots(): Promise<void> {
    await graph().lock.run('remove all roots', (change) => BlockBackend.#removeAllRoots(change));
  }

  static async #removeAllRoots(change: GraphChange): Promise<void> {
    checkClosable(...BlockBackend.all().map(({ graphRoot }) => graphRoot.edge));
    for (const blk of BlockBackend.all()) await blk.takeOut(change);
  }

  /**
   * The end of a machine: exports are removed, whoever is connected; all requests are waited for,
   * every backend loses its medium, and so does the monitor; no node is left. The backends stay.
   * (bdrv_close_all, and what QEMU's programs do before it)
   *
   * @throws (rejects) BlockUsageError while a job uses a node, or somebody holds or blocks one.
   */
  static async closeAll(): Promise<void> {
    await endUsers();
    await graph().lock.run('close all', async (change) => {
      checkNobodyElse(graph().nodes);
      const section = graph().drainAll();
      try {
        await section.quiet();
        checkNobodyElse(graph().nodes);
        await BlockBackend.#removeAllRoots(change);
        for (const node of [...graph().nodes]) {
          node.monitorOwned = false;
          await graph().closeUnused(node, change);
        }
      } finally {
        section.end();
      }
    });
  }

  /** @internal */
  static of(root: GraphRoot): BlockBackend | undefined {
    return backends.get(root);
  }

  /** @internal */
  get handle(): Handle {
    return this.graphRoot.handle;
  }

  // --- names

  /** '' without a name. (blk_name) */
  get name(): string {
    return this.graphRoot.deviceName;
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
      this.checkOpen('name');
      names.addDevice(name, this.graphRoot);
    }
    this.graphRoot.deviceName = name;
  }

  // --- what it is

  /**
   * What offsets and lengths should be multiples of, in bytes; others cost extra reads.
   * (blk_get_request_alignment)
   */
  get requestAlignment(): number {
    return this.root?.info().requestAlignment ?? EMPTY_ALIGNMENT;
  }

  /** The longest transfer that is not cut or refused, in bytes. (blk_get_max_transfer) */
  get maxTransfer(): number {
    const most = Math.min(this.root?.info().maxTransfer || MAX_TRANSFER, MAX_TRANSFER);
    return most - (most % this.requestAlignment);
  }

  /** It was closed, or its last user let go of it: requests fail with ENOMEDIUM. */
  get isClosed(): boolean {
    return this.#ending !== undefined || this.isDestroyed;
  }

  /** Requests from their call until their callback returned or their promise was resolved. */
  get inFlight(): number {
    return this.graphRoot.requests;
  }

  /** Requests that wait for the end of a drained section. */
  get parked(): number {
    return this.isDestroyed ? 0 : this.graphRoot.info().parked;
  }

  /** Drained sections that hold requests back. */
  get quiesceCount(): number {
    return this.isDestroyed ? 0 : this.graphRoot.info().quiesce;
  }

  /** A frozen snapshot. Once it is closed, counts are 0. */
  info(): BackendInfo {
    const { name, root, context } = this;
    const none = { inFlight: 0, parked: 0, quiesce: 0, available: false };
    const native = this.isDestroyed ? none : this.graphRoot.info();
    const { inFlight, parked, quiesce, available } = native;
    return Object.freeze({
      name,
      context: context.name,
      node: root?.name,
      inFlight,
      parked,
      quiesceCount: quiesce,
      available,
      permissions: this.permissions,
      shared: this.shared,
    });
  }

  // --- life

  /** Those who hold it, its maker included; 0 once it is gone. (blk_get_refcnt) */
  get references(): number {
    return this.graphRoot.references;
  }

  /** Holds it for another user. @throws BlockUsageError when nobody holds it any more. (blk_ref) */
  ref(): this {
    if (this.references === 0) throw new BlockUsageError('nobody holds this backend any more');
    this.graphRoot.references += 1;
    return this;
  }

  /**
   * Lets go of it. The last one waits for its requests, whose callbacks have run then, and closes
   * nodes without other users. (blk_unref)
   *
   * @throws (rejects) BlockUsageError for the last reference of a backend with a name, a device or
   * notifiers; it is still held then.
   */
  async unref(): Promise<void> {
    if (this.references === 0) return this.#ending;
    if (this.references > 1) {
      this.graphRoot.references -= 1;
      return undefined;
    }
    this.#checkDisposable();
    return this.#endOnce();
  }

  /**
   * Takes its name away, lets its device go, and drops the reference of its maker: waiting requests
   * get ENOMEDIUM, running ones are waited for, and nodes without other users are closed. Later
   * requests fail with ENOMEDIUM. Closing twice is closing once.
   *
   * @throws (rejects) BlockUsageError when a node would be closed that is blocked; it stays open.
   */
  close(): Promise<void> {
    try {
      if (this.#isClosersAlone) checkClosable(this.graphRoot.edge);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.isDestroyed) return;
    if (this.#isClosersAlone) {
      await this.#endOnce();
      return;
    }
    if (this.name !== '') this.setName('');
    const detached = this.device === undefined ? undefined : this.detachDevice(this.device);
    this.graphRoot.references -= 1;
    await detached;
  }

  /** Nobody holds it but who closes it, and its device, which it lets go. */
  get #isClosersAlone(): boolean {
    return this.references - (this.device === undefined ? 0 : 1) <= 1;
  }

  #endOnce(): Promise<void> {
    this.graphRoot.references = 0;
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** For one who cannot wait. */
  #endUnheld(): void {
    this.#endOnce().catch((error: unknown) => {
      process.emitWarning(`cannot close ${this.describe()}: ${String(error)}`, 'BlockBackend');
    });
  }

  #checkDisposable(): void {
    const { device, edge, insertNotifiers, removeNotifiers, contextNotifiers } = this.graphRoot;
    const notified = !(
      insertNotifiers.isEmpty &&
      removeNotifiers.isEmpty &&
      contextNotifiers.isEmpty
    );
    const reason =
      (this.name !== '' && 'has a name') ||
      (device !== undefined && 'has a device') ||
      (notified && 'has notifiers');
    if (reason) throw new BlockUsageError(`${this.describe()} still ${reason}`);
    checkClosable(edge);
  }

  async #end(): Promise<void> {
    const { drains, lock } = graph();
    const root = this.graphRoot;
    this.port.close();
    root.closing = true;
    const section = drains.begin(() => withNode(root));
    environment().binding.backendAbortParked(root.handle, Errno.ENOMEDIUM);
    environment().ring.arm();
    await section.quiet();
    await lock.run(`close ${root.describe()}`, async (change) => {
      await this.takeOut(change);
      this.destroy();
      section.end();
    });
  }

  /** @internal */
  protected destroy(): void {
    this.port.close();
    this.graphRoot.references = 0;
    this.forgetRunState();
    if (this.name !== '') this.setName('');
    this.graphRoot.letDeviceGo();
    this.deviceChanged(false);
    this.forgetThrottling();
    graph().roots.delete(this.graphRoot);
    backends.delete(this.graphRoot);
    this.graphRoot.destroy();
  }

  /** @internal */
  protected setFlag(flag: number, value: boolean): void {
    this.checkOpen('set');
    environment().binding.backendSetFlag(this.graphRoot.handle, flag, value);
  }

  /** @internal */
  protected checkOpen(operation: string): void {
    if (!this.isClosed) return;
    throw new BlockError(Errno.ENOMEDIUM, { operation, text: 'the backend is closed' });
  }

  /** Closed, and nothing is left natively. */
  private get isDestroyed(): boolean {
    return this.graphRoot.handle === 0;
  }
}

useHeaderReader((node, bytes, change) => BlockBackend.readHeader(node, bytes, change));
