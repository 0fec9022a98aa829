// What the addon exports, typed by hand. Everything here is private to lib/.

/** A native object: index + generation packed in one safe integer. 0 is none. */
export type Handle = number;

/** A control call that failed: `kind` names the sentence, `args` fill it in. */
export interface NativeFailure {
  readonly errno: number; // negative
  readonly kind: string;
  readonly args: Readonly<Record<string, string>>;
}

export function isFailure(value: number | object): value is NativeFailure {
  return typeof value === 'object' && 'errno' in value && 'kind' in value;
}

export interface SharedMemory {
  readonly header: ArrayBuffer;
  readonly submission: ArrayBuffer;
  readonly completion: ArrayBuffer;
  /** Native copy of protocol.ts: "Operation.read" -> 1 ... */
  readonly layout: Readonly<Record<string, number>>;
}

export interface NativeEngineReport {
  readonly engine: 'io_uring' | 'threads' | 'sim';
  readonly reason: string;
  readonly flags: number;
  readonly errno: number;
}

export interface NativeContextInfo extends NativeEngineReport {
  readonly inFlight: number;
  readonly submitted: { read: number; write: number; fdatasync: number; call: number };
  readonly ringSubmissions: number;
  readonly workerSubmissions: number;
  readonly unregisteredFiles: number;
  readonly unregisteredBuffers: number;
  /** Virtual home only: the clock, in nanoseconds. */
  readonly now: number;
}

export interface NativeSimOptions {
  seed?: number;
  minLatency?: number;
  maxLatency?: number;
  failPerMillion?: number;
  failErrno?: number;
  shortPerMillion?: number;
  tornPerMillion?: number;
  againPerMillion?: number;
}

export interface NativeNodeInfo {
  readonly id: number;
  readonly length: number;
  readonly inFlight: number;
  readonly quiesce: number;
  readonly variableLength: boolean;
  readonly highestWrittenOffset: number;
  readonly requestAlignment: number;
  readonly memoryAlignment: number;
  readonly optimalMemoryAlignment: number;
  readonly maxTransfer: number;
  readonly maxIov: number;
  readonly discardOk: number;
  readonly discardFailed: number;
  readonly discardBytesOk: number;
  readonly bounced: number;
}

export interface NativeBackendInfo {
  readonly inFlight: number;
  readonly parked: number;
  readonly quiesce: number;
  readonly available: boolean;
}

export interface NativeChild {
  readonly node: Handle;
  readonly role: number;
  readonly permissions: number;
  readonly shared: number;
}

export interface NativeNodeOptions {
  readonly driver: string;
  readonly name: string;
  readonly readOnly: boolean;
  readonly noFlush: boolean;
  readonly discardUnmap: boolean;
}

export interface NativeLoadOptions {
  readonly operation: 'read' | 'write' | 'readwrite';
  readonly random: boolean;
  readonly blockSize: number;
  readonly depth: number;
  readonly runtimeNs: number;
  readonly seed: number;
}

export interface NativeBinding {
  readonly version: string;

  /**
   * Once per environment. `deliver(count)` is called on the JavaScript thread with that many
   * entries in the completion buffer; it must consume them all, then call flush() until it
   * returns 0.
   */
  initialize(deliver: (count: number) => void): SharedMemory | NativeFailure;
  /** Hands over the descriptors written so far and submits them. Delivers nothing. */
  submit(): void;
  /**
   * Subtracts what was delivered last, hands over descriptors, submits, reaps. Returns the number
   * of completions now in the buffer: settle them, then call again, until 0. Past the inline
   * budget (64 flushes or 200 us without a loop turn) it returns 0 and leaves completions to the
   * loop.
   */
  flush(): number;
  /**
   * Runs the last written request (its slot is -1; its vector descriptors included) synchronously,
   * after those before it were handed over. Returns its result; Header.syncNode names the node.
   */
  runSync(): number;

  /** True once per process, whichever environment asks first. */
  claimFallbackWarning(): boolean;
  hostFeatures(): { engine: string; reason: string; flags: number; errno: number; kernel: string };

  contextCreate(
    home: number,
    engine: number,
    name: string,
    sim: NativeSimOptions,
  ): Handle | NativeFailure;
  /** Only when no node or backend lives in it: EBUSY otherwise. */
  contextDestroy(context: Handle): number;
  contextInfo(context: Handle): NativeContextInfo;
  /** Virtual home: moves the clock by `ns`, running whatever becomes due on the way. */
  contextAdvance(context: Handle, ns: number): void;

  /** Completes on `slot` with the node's handle, or an errno and a report. */
  nodeOpen(
    slot: number,
    context: Handle,
    node: NativeNodeOptions,
    options: Readonly<Record<string, boolean | number | string>>,
    children: readonly NativeChild[],
  ): void;
  /** Completes on `slot`. The handle is stale from the call on. */
  nodeClose(slot: number, node: Handle): void;
  nodeInfo(node: Handle): NativeNodeInfo;
  nodeInFlight(node: Handle): number;
  nodeQuiesce(node: Handle, begin: boolean): void;
  nodeSetChild(
    node: Handle,
    index: number,
    child: Handle,
    permissions: number,
    shared: number,
  ): number;

  backendCreate(context: Handle): Handle;
  /** EBUSY unless nothing is in flight or parked. */
  backendDestroy(backend: Handle): number;
  backendSetRoot(backend: Handle, node: Handle, permissions: number, shared: number): number;
  backendSetFlag(backend: Handle, flag: number, value: boolean): void;
  backendQuiesce(backend: Handle, begin: boolean): void;
  backendInfo(backend: Handle): NativeBackendInfo;
  /** Of the medium, in bytes, without asking its home; 0 without a medium. */
  backendLength(backend: Handle): number;
  backendInFlight(backend: Handle): number;
  /** Every parked request completes with `errno` (negative). */
  backendAbortParked(backend: Handle, errno: number): void;
  /** Owners' own count (blk_inc_in_flight / blk_dec_in_flight). */
  backendCount(backend: Handle, delta: 1 | -1): void;

  /** Asks that the request on `slot` leave the queue; ECANCELED on the slot if it was parked. */
  cancel(slot: number, generation: number): void;
  /** The report of a failed control request or truncate; undefined if the slot has none. */
  takeReport(slot: number): NativeFailure | undefined;

  /** Zeroed, page-aligned memory as one ArrayBuffer. */
  regionCreate(bytes: number): { id: number; buffer: ArrayBuffer } | NativeFailure;
  /** Makes a SharedArrayBuffer's memory known; `view` covers all of it. */
  regionShare(view: Uint8Array): number;
  regionRelease(id: number): void;

  /** Runs a load on the backend natively (no JavaScript per request). Completes on `slot`. */
  loadStart(slot: number, backend: Handle, options: NativeLoadOptions): void;
  /**
   * Result of a finished load; latencies in ns. `checksum` is the sum, modulo 2^32, of the first
   * little-endian 32-bit word of every 512 bytes that were read.
   */
  loadResult(slot: number): {
    requests: number;
    bytes: number;
    elapsedNs: number;
    checksum: number;
    p50: number;
    p99: number;
    max: number;
  };
}
