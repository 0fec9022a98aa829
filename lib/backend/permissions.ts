import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { GraphChange } from '../graph/graph-lock.js';
import { activateNode, disable, type Holding, setHolding } from '../graph/migration.js';
import { type PermissionName, permissionBits, permissionNames } from '../graph/permissions.js';
import { BackendMedium } from './medium.js';

const WRITE: readonly PermissionName[] = ['write'];

/** What a device model does with its disk. */
export interface DevicePermissions {
  /** It never writes. Default: as the medium. */
  readonly readOnly?: boolean | undefined;
  /** It can handle a disk whose size changes. Default: false. */
  readonly resizable?: boolean | undefined;
  /** Others may write meanwhile, as with a cluster's file system (share-rw). Default: false. */
  readonly shareRw?: boolean | undefined;
}

/** What a backend may do and what it lets others do, now and while a machine migrates. */
export abstract class BackendPermissions extends BackendMedium {
  /** Of the run state at which it waits for the machine to run. */
  #forgetHandler: (() => void) | undefined;

  /** What the backend wants to do; the medium may hold less at the moment. (blk_get_perm) */
  get permissions(): PermissionName[] {
    return permissionNames(this.graphRoot.wanted.permissions);
  }

  /** What it lets others do. (blk_get_perm) */
  get shared(): PermissionName[] {
    return permissionNames(this.graphRoot.wanted.shared);
  }

  /** The wanted permissions are remembered, not held: the medium belongs to another process. */
  get permissionsDisabled(): boolean {
    return this.graphRoot.permissionsDisabled;
  }

  /**
   * Changes what the backend holds, everywhere below it, file locks included. Without a medium, and
   * while permissions are disabled, they are only remembered. (blk_set_perm)
   *
   * @throws (rejects) BlockError EPERM or EAGAIN when somebody does not share what is needed; then
   * nothing has changed. TypeError for a name that is no permission.
   */
  async setPermissions(
    permissions: readonly PermissionName[],
    shared: readonly PermissionName[],
  ): Promise<void> {
    const wanted = { permissions: permissionBits(permissions), shared: permissionBits(shared) };
    const root = this.graphRoot;
    await graph().lock.run('set permissions', (change) => {
      this.checkOpen('set permissions');
      const before = root.wanted;
      const tightens =
        (wanted.permissions & ~before.permissions) !== 0 || (before.shared & ~wanted.shared) !== 0;
      const set = (grant: typeof wanted) => () => {
        root.wanted = grant;
      };
      return graph().transactQuietly(change, (transaction) =>
        transaction.wants(root, set(wanted), set(before), tightens && !root.permissionsDisabled),
      );
    });
  }

  /**
   * Takes the permissions of a guest's disk: to read, and to write unless the medium or the device
   * is read-only; others may not write. (blkconf_apply_backend_options)
   *
   * @throws (rejects) like {@link setPermissions}.
   */
  async setDevicePermissions({
    readOnly = this.isReadOnly,
    resizable = false,
    shareRw = false,
  }: DevicePermissions = {}): Promise<void> {
    const shared: PermissionName[] = ['consistent-read', 'write-unchanged'];
    if (shareRw) shared.push('write');
    if (resizable) shared.push('resize');
    await this.setPermissions(['consistent-read', ...(readOnly ? [] : WRITE)], shared);
  }

  /**
   * Gives up what the backend holds and remembers it, so that another process can take the image
   * over; requests under way are waited for. Twice is once. (blk_root_inactivate)
   *
   * @throws (rejects) BlockError EPERM when it writes, has neither name nor device, and
   * `forceInactivate` is off.
   */
  async inactivate(): Promise<void> {
    const root = this.graphRoot;
    await graph().lock.run('inactivate', async (change) => {
      if (root.permissionsDisabled) return;
      const refusal = root.refusesInactivation();
      if (refusal !== undefined) throw refusal;
      await graph().transact(
        change,
        () => [root],
        (transaction) => disable(transaction, root),
      );
    });
  }

  /**
   * Takes what it gave up, and its medium first if that is inactive. While a migration comes in,
   * others may do everything until the machine runs. Does nothing unless permissions are disabled.
   * (blk_activate, blk_root_activate)
   *
   * @throws (rejects) BlockError: then permissions stay disabled. ENOMEDIUM without a medium.
   */
  async activate(): Promise<void> {
    await graph().lock.run('activate', async (change) => {
      const { root } = this;
      if (root === undefined) {
        const text = 'the device has no medium';
        throw new BlockError(Errno.ENOMEDIUM, { operation: 'activate', text });
      }
      if (root.inactive) await activateNode(graph(), root, change);
      else await this.activateLocked(change);
    });
  }

  /** @internal */
  async activateLocked(change: GraphChange): Promise<void> {
    const root = this.graphRoot;
    if (!root.permissionsDisabled) return;
    await this.#hold(change, { disabled: false, sharesAll: true });
    if (graph().runState.isIncoming) {
      this.#tightenLater();
      return;
    }
    try {
      await this.#hold(change, { disabled: false, sharesAll: false });
    } catch (error) {
      await graph().transactQuietly(change, (transaction) => disable(transaction, root));
      throw error;
    }
  }

  /** Gives its permissions up for a migration although it has neither name nor device. */
  get forceInactivate(): boolean {
    return this.graphRoot.forceInactivate;
  }

  set forceInactivate(force: boolean) {
    this.graphRoot.forceInactivate = force;
  }

  /** One handler, however often this is called (INACT-4). */
  #tightenLater(): void {
    const { runState } = graph();
    if (this.#forgetHandler !== undefined) return;
    const handler = (): void => {
      if (runState.isIncoming) return;
      this.forgetRunState();
      graph()
        .lock.run('share less', (change) => this.#tighten(change))
        .catch((error: unknown) => {
          process.emitWarning(`cannot share less of a medium: ${String(error)}`, 'BlockBackend');
        });
    };
    runState.addHandler(handler);
    this.#forgetHandler = () => runState.removeHandler(handler);
  }

  async #tighten(change: GraphChange): Promise<void> {
    if (this.graphRoot.permissionsDisabled) return;
    await this.#hold(change, { disabled: false, sharesAll: false });
  }

  /** @internal */
  protected forgetRunState(): void {
    this.#forgetHandler?.();
    this.#forgetHandler = undefined;
  }

  #hold(change: GraphChange, to: Holding): Promise<void> {
    return graph().transactQuietly(change, (transaction) =>
      setHolding(transaction, this.graphRoot, to, true),
    );
  }
}
