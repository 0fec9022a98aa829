import { environment } from '../aio/environment.js';
import { BlockUsageError } from '../errors/block-error.js';
import { BackendThrottling } from './throttling.js';

/** A plug that ends with its scope. */
export interface Plugged extends Disposable {
  /** Takes the plug out; a second time does nothing. */
  unplug(): void;
}

/** What an owner counts up and down: plugs, and work of its own that a drain is to wait for. */
export abstract class BackendOwnerCounts extends BackendThrottling {
  /**
   * Requests made from now on may be held back, to reach the kernel together at the last
   * {@link unplug}. A plug holds nothing longer than until the loop turns, and no more than 128
   * operations, so awaiting a request or a drained section while plugged is slow and not wrong.
   * Plugs follow the backend to another medium or context; without a medium they only count.
   * (blk_io_plug)
   *
   * @returns how many plugs there are now.
   * @throws BlockError ENOMEDIUM on a closed backend.
   */
  plug(): number {
    this.checkOpen('plug');
    return environment().binding.backendPlug(this.graphRoot.handle, true);
  }

  /**
   * Takes back one {@link plug}; the last one lets everything go that was held. (blk_io_unplug)
   *
   * @returns how many plugs are left.
   * @throws BlockUsageError when there is no plug, and nothing changes.
   */
  unplug(): number {
    const { handle } = this.graphRoot;
    const left = environment().binding.backendPlug(handle, false);
    if (left < 0) throw new BlockUsageError(`${this.graphRoot.describe()} is not plugged`);
    environment().ring.arm();
    return left;
  }

  /**
   * A plug for the rest of a block:
   *
   * ```js
   * {
   *   using _batch = blk.plugged();
   *   for (const request of requests) blk.aio.pread(request.offset, request.buffer, request.done);
   * }
   * ```
   *
   * @throws BlockError ENOMEDIUM on a closed backend.
   */
  plugged(): Plugged {
    this.plug();
    let plugged = true;
    const unplug = (): void => {
      if (!plugged) return;
      plugged = false;
      // A backend that was closed meanwhile took its plugs with it.
      if (this.graphRoot.handle !== 0) this.unplug();
    };
    return { unplug, [Symbol.dispose]: unplug };
  }

  /**
   * The owner has work under way that a drained section must wait for, though it is no request:
   * requests that it has merged, or will try again. (blk_inc_in_flight)
   *
   * @returns how often the owner counts now.
   * @throws BlockError ENOMEDIUM on a closed backend.
   */
  incInFlight(): number {
    this.checkOpen('count');
    return environment().binding.backendCount(this.graphRoot.handle, 1);
  }

  /**
   * That work is done. (blk_dec_in_flight)
   *
   * @returns how often the owner counts now.
   * @throws BlockUsageError for more than were counted, and nothing changes.
   */
  decInFlight(): number {
    const { handle } = this.graphRoot;
    const left = environment().binding.backendCount(handle, -1);
    if (left < 0) {
      throw new BlockUsageError(`${this.graphRoot.describe()} has no work of its owner in flight`);
    }
    environment().ring.arm();
    return left;
  }
}
