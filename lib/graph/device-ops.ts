/**
 * What a device model can say and be told (QEMU: BlockDevOps). All of it is optional. It is called
 * in the thread that owns the backend, and but for changeMedia() it may not change the graph.
 */
export interface BlockDevOps {
  /**
   * Only a device with it has removable media. With `load` the medium is there, and the tray, if
   * there is one, is to be closed on it; without, the tray opens, or the medium has just gone.
   * Throwing, or rejecting, refuses a load; it must not refuse the other. A device that writes some
   * media and not others gives its permissions up without one, and takes them anew with the next.
   * Requests see the tray as it was until this returns, be it a promise.
   */
  changeMedia?(load: boolean): void | Promise<void>;
  /** The operator wants the medium. A guest that locked it is asked; `force`: it is told. */
  ejectRequest?(force: boolean): void;
  /** Only a device with it has a tray. After a change of its own, it calls `blk.eject()`. */
  isTrayOpen?(): boolean;
  /** The guest has locked the medium in. */
  isMediumLocked?(): boolean;
  /** The policy 'retry': send what failed again. (downstream of QEMU: retry_request_cb) */
  retryRequest?(): void;
  /** The length was established anew, perhaps to what it was. */
  resize?(): void;
  /** The first drained section began: stop sending requests. */
  drainedBegin?(): void;
  /** The last one ended. */
  drainedEnd?(): void;
  /** Requests may still come: the section is not quiet. After a change call `kickDrain()`. */
  drainedPoll?(): boolean;
}
