import type { OnOffAuto } from '../accounting/accounting.js';
import { errnoText } from '../errors/errno-names.js';
import { type BlockIoErrorEvent, emitBlockEvent } from '../graph/block-events.js';
import { graph } from '../graph/graph.js';
import { callForeign } from '../graph/notifiers.js';
import {
  actionOf,
  type BlockDeviceIoStatus,
  type BlockErrorAction,
  checkErrorPolicy,
  checkFailure,
  type ErrorPolicy,
  type ErrorPolicySettings,
  isNoSpace,
  mayStop,
} from './error-policy.js';
import { RetryTimer } from './retry-timer.js';
import { BackendTray } from './tray.js';

/** What a device's own options say; 'auto' keeps what the backend has (QEMU: BlockConf). */
export interface DeviceConf {
  readonly rerror?: ErrorPolicy | undefined;
  readonly werror?: ErrorPolicy | undefined;
  readonly 'write-cache'?: OnOffAuto | undefined;
  readonly 'account-invalid'?: OnOffAuto | undefined;
  readonly 'account-failed'?: OnOffAuto | undefined;
}

/** The medium's error policy, and what became of the last error. */
export abstract class BackendErrors extends BackendTray {
  #rerror: ErrorPolicy = 'report';
  #werror: ErrorPolicy = 'enospc';
  #iostatusEnabled = false;
  #iostatus: BlockDeviceIoStatus = 'ok';
  readonly #retry = new RetryTimer(() => {
    const ops = this.graphRoot.deviceOps;
    callForeign(() => ops?.retryRequest?.(), undefined);
  });

  /** @internal Checked by then. */
  protected beginErrors(settings: ErrorPolicySettings): void {
    const { rerror = this.#rerror, werror = this.#werror } = settings;
    this.#rerror = rerror;
    this.#werror = werror;
    this.#retry.interval = settings['retry-interval'] ?? this.#retry.interval;
    this.#retry.timeout = settings['retry-timeout'] ?? this.#retry.timeout;
    this.graphRoot.quiesceHook = (quiesced) => this.#retry.hold(quiesced);
  }

  /** @internal */
  protected override deviceChanged(attached: boolean): void {
    if (attached) this.iostatusReset();
    else this.#retry.cancel();
  }

  // --- policy

  /** The policy of one direction. (blk_get_on_error) */
  getOnError(isRead: boolean): ErrorPolicy {
    return isRead ? this.#rerror : this.#werror;
  }

  /**
   * From now on; unlike the options of a drive it takes every policy for both. A function decides for
   * each failed request by itself. (blk_set_on_error)
   *
   * @throws BlockError EINVAL for something that is no policy.
   */
  setOnError(rerror: ErrorPolicy, werror: ErrorPolicy): void {
    checkErrorPolicy('rerror', rerror);
    checkErrorPolicy('werror', werror);
    this.#rerror = rerror;
    this.#werror = werror;
  }

  /**
   * Lets a device's options have the last word, and keeps what they say: policies, write cache, and
   * what is accounted. (blkconf_apply_backend_options)
   *
   * @throws BlockError EINVAL for something that is no policy; then nothing has changed.
   */
  applyDeviceConf({ rerror = 'auto', werror = 'auto', ...conf }: DeviceConf): void {
    this.setOnError(
      rerror === 'auto' ? this.#rerror : rerror,
      werror === 'auto' ? this.#werror : werror,
    );
    const cache = conf['write-cache'] ?? 'auto';
    if (cache !== 'auto') this.writeCache = cache === 'on';
    this.accounting.setup({
      'stats-account-invalid': conf['account-invalid'],
      'stats-account-failed': conf['account-failed'],
    });
  }

  /**
   * What a device is to do about a request that failed; flushes and discards count as writes. It
   * then tells so with {@link errorAction}. (blk_get_error_action)
   *
   * @param errno positive.
   * @throws BlockUsageError for another errno, and for the policy 'auto'.
   */
  getErrorAction(isRead: boolean, errno: number): BlockErrorAction {
    checkFailure(errno);
    const operation = isRead ? 'read' : 'write';
    const action = actionOf(this.getOnError(isRead), {
      operation,
      errno,
      device: this.graphRoot.deviceName,
    });
    if (action !== 'retry') return action;
    const canRetry = this.graphRoot.deviceOps?.retryRequest !== undefined;
    return canRetry && this.#retry.mayRetry ? 'retry' : 'report';
  }

  /**
   * Does the backend's part of an action, and sends BLOCK_IO_ERROR. 'stop': the I/O status is set
   * before the event, and the machine stops after it, in a later turn of the loop. 'retry': the
   * device's retryRequest() is called after the interval. The request is the device's: it keeps it
   * ('stop', 'retry'), fails it ('report') or completes it ('ignore'). (blk_error_action)
   */
  errorAction(action: BlockErrorAction, isRead: boolean, errno: number): void {
    checkFailure(errno);
    if (action === 'stop') this.iostatusSetError(errno);
    const event = this.#eventOf(action, isRead, errno);
    const tell = (): void => emitBlockEvent('BLOCK_IO_ERROR', event);
    if (action === 'stop') graph().runState.requestStop('io-error', tell);
    else tell();
    if (action === 'retry') this.#retry.arm();
  }

  /** A request of the device succeeded: the time of 'retry-timeout' begins anew. */
  retrySucceeded(): void {
    this.#retry.succeeded();
  }

  #eventOf(action: BlockErrorAction, isRead: boolean, errno: number): BlockIoErrorEvent {
    const { root } = this;
    return Object.freeze({
      'qom-path': this.devicePath,
      device: this.graphRoot.deviceName,
      ...(root === undefined ? {} : { 'node-name': root.name }),
      operation: isRead ? 'read' : 'write',
      action,
      ...(this.iostatusIsEnabled ? { nospace: isNoSpace(errno) } : {}),
      reason: errnoText(-errno),
    });
  }

  // --- status

  /** What the last error was, since it was reset: 'ok' without one. (blk_iostatus) */
  get iostatus(): BlockDeviceIoStatus {
    return this.#iostatus;
  }

  /** It was enabled, and the machine can stop on an error. (blk_iostatus_is_enabled) */
  get iostatusIsEnabled(): boolean {
    const stops = mayStop(this.#werror) || (mayStop(this.#rerror) && this.#rerror !== 'enospc');
    return this.#iostatusEnabled && stops;
  }

  /** Set by devices that stop on errors. (blk_iostatus_enable) */
  iostatusEnable(): void {
    this.#iostatusEnabled = true;
    this.#iostatus = 'ok';
  }

  /** The status stays 'ok' whatever fails. (blk_iostatus_disable) */
  iostatusDisable(): void {
    this.#iostatusEnabled = false;
  }

  /** 'ok' again, if it is enabled. (blk_iostatus_reset) */
  iostatusReset(): void {
    if (this.iostatusIsEnabled) this.#iostatus = 'ok';
  }

  /** The first error counts, and only while it is enabled. (blk_iostatus_set_err) */
  iostatusSetError(errno: number): void {
    checkFailure(errno);
    if (!this.iostatusIsEnabled || this.#iostatus !== 'ok') return;
    this.#iostatus = isNoSpace(errno) ? 'nospace' : 'failed';
  }
}
