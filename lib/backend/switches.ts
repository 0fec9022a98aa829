import { BackendFlag } from '../aio/protocol.js';
import { DeviceForms } from './device-forms.js';

/** What an owner can switch on a backend. A change concerns the requests that are made after it. */
export abstract class BackendSwitches extends DeviceForms {
  #writeCache = true;
  #allowWriteBeyondEnd = false;
  #requestQueueing = true;

  /** @internal @throws BlockError ENOMEDIUM on a closed backend. */
  protected abstract setFlag(flag: number, value: boolean): void;

  /**
   * Off: every write and zero-write is durable before it completes (FUA). Default on.
   * (blk_set_enable_write_cache)
   */
  get writeCache(): boolean {
    return this.#writeCache;
  }

  set writeCache(on: boolean) {
    this.setFlag(BackendFlag.writeCache, on);
    this.#writeCache = on;
  }

  /**
   * On: no request is checked against the end. Reads past it give zeroes, and writes past it grow
   * the medium, for which the backend needs the permission to resize. Default off.
   * (blk_set_allow_write_beyond_eof)
   */
  get allowWriteBeyondEnd(): boolean {
    return this.#allowWriteBeyondEnd;
  }

  set allowWriteBeyondEnd(allow: boolean) {
    this.setFlag(BackendFlag.allowWriteBeyondEnd, allow);
    this.#allowWriteBeyondEnd = allow;
  }

  /**
   * Off: requests made in a drained section run at once, and the section waits for them. Default
   * on. (blk_set_disable_request_queuing)
   */
  get requestQueueing(): boolean {
    return this.#requestQueueing;
  }

  set requestQueueing(on: boolean) {
    this.setFlag(BackendFlag.disableQueueing, !on);
    this.#requestQueueing = on;
  }
}
