import { Accounting } from '../accounting/accounting.js';
import { type BlockDeviceStats, blockDeviceStats } from '../accounting/block-stats.js';
import { environment } from '../aio/environment.js';
import type { Handle, NativeBackendStats } from '../aio/native-binding.js';
import type { GraphRoot } from '../graph/root.js';
import { BackendSwitches } from './switches.js';

/** What a backend tells of the requests that its users made. */
export abstract class BackendAccounting extends BackendSwitches {
  #accounting: Accounting | undefined;

  /** @internal */
  protected abstract readonly graphRoot: GraphRoot;
  /** @internal @throws BlockError ENOMEDIUM on a closed backend. */
  protected abstract checkOpen(operation: string): void;

  /**
   * Asynchronous requests go into the statistics as what they are, unless they say otherwise with
   * `account`. Default off: statistics belong to the users of a backend. Set by device models.
   */
  get accountRequests(): boolean {
    return this.port.accountRequests;
  }

  set accountRequests(on: boolean) {
    this.port.accountRequests = on;
  }

  /** For owners who account requests themselves. (blk_get_stats) */
  get accounting(): Accounting {
    this.#accounting ??= new Accounting(environment().binding, () => this.#statsHandle());
    return this.#accounting;
  }

  /**
   * What was done so far; they stay when the medium changes. Reading them disturbs no request: the
   * numbers of one read belong to one moment.
   *
   * @throws BlockError ENOMEDIUM on a closed backend. (blk_get_stats)
   */
  get stats(): BlockDeviceStats {
    return blockDeviceStats(this.nativeStats());
  }

  /** @internal */
  nativeStats(): NativeBackendStats {
    return environment().binding.backendStats(this.#statsHandle());
  }

  #statsHandle(): Handle {
    const { handle } = this.graphRoot;
    if (handle === 0) this.checkOpen('account');
    return handle;
  }
}
