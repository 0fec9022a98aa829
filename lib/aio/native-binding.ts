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
  /** Reads of what the page cache had, done by a system call of their own. */
  readonly doneAtOnce: number;
  /** An IOThread's 'poll-max-ns'; 0 of other homes. */
  readonly pollMaxNs: number;
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
  /** Bytes; 0: none. */
  readonly writeThreshold: number;
  /** A new image of this kind reads as zeroes. */
  readonly hasZeroInit: boolean;
  /** Bytes that are allocated together; 0: unknown. */
  readonly clusterSize: number;
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

/** Of one accounting type; times in ns. */
export interface NativeCounters {
  readonly bytes: number;
  readonly operations: number;
  readonly failed: number;
  readonly invalid: number;
  readonly merged: number;
  readonly totalTime: number;
}

/** Latencies of one type lately, in ns. */
export interface NativeTimedAverage {
  readonly min: number;
  readonly max: number;
  readonly average: number;
  readonly sum: number;
  /** What they cover, in ns. */
  readonly elapsed: number;
}

export interface NativeHistogram {
  readonly boundaries: readonly number[];
  readonly bins: readonly number[];
  /** Of all latencies that were counted, in ns. */
  readonly sum: number;
}

/** Arrays in the order of AccountType, from `read` on; unmap is only counted. */
export interface NativeBackendStats {
  readonly counters: readonly NativeCounters[];
  readonly intervals: readonly {
    /** In ns. */
    readonly length: number;
    readonly latency: readonly NativeTimedAverage[];
  }[];
  readonly histograms: readonly NativeHistogram[];
  /** ns since the last access; -1 before the first one. */
  readonly idle: number;
  readonly accountInvalid: boolean;
  readonly accountFailed: boolean;
  /** Of the medium. */
  readonly highestWrittenOffset: number;
  readonly inFlight: number;
  readonly parked: number;
}

/** Numbers in bytes. */
export interface NativeDirtyBitmap {
  readonly name: string;
  readonly granularity: number;
  readonly count: number;
  readonly recording: boolean;
  readonly inconsistent: boolean;
}

export interface NativeThresholdEvent {
  readonly node: number;
  readonly threshold: number;
  readonly exceeded: number;
}

/** How long requests waited, in one direction. */
export interface NativeWaited {
  readonly throttled: number;
  readonly throttledNs: number;
  /** By powers of two: [i] counts waits of less than 2^i ns, the last one all others. */
  readonly waits: readonly number[];
}

/** What waits, and how long others have waited, in one direction. */
export interface NativeLane extends NativeWaited {
  readonly waiting: number;
}

export interface NativeLanes {
  readonly read: NativeLane;
  readonly write: NativeLane;
}

/** Six buckets in QAPI's order, two directions: read, write. */
export interface NativeThrottleGroupInfo {
  readonly members: number;
  /** Nanoseconds of the members' clock. */
  readonly now: number;
  readonly levels: readonly number[];
  readonly burstLevels: readonly number[];
  /** When the armed timer fires, on the same clock; negative: none is armed. */
  readonly throttledUntil: readonly number[];
  /** Of all members, those included that left. */
  readonly read: NativeWaited;
  readonly write: NativeWaited;
}

export interface NativeChild {
  /** Names the edge natively; unique among the edges of one parent. */
  readonly key: number;
  readonly node: Handle;
  readonly role: number;
  readonly permissions: number;
  readonly shared: number;
}

/** What a reopen or a migration can change. */
export interface NativeNodeState {
  readonly readOnly: boolean;
  readonly noFlush: boolean;
  readonly discardUnmap: boolean;
  /** Another process may be writing. */
  readonly inactive: boolean;
  /** 0 off, 1 on, 2 unmap. */
  readonly detectZeroes: number;
  readonly copyOnRead: boolean;
}

export interface NativeNodeOptions extends NativeNodeState {
  readonly driver: string;
  readonly name: string;
}

export type NativeDriverOptions = Readonly<Record<string, boolean | number | string>>;

export interface NativeLoadOptions {
  readonly operation: 'read' | 'write' | 'readwrite';
  readonly random: boolean;
  readonly blockSize: number;
  readonly depth: number;
  readonly runtimeNs: number;
  readonly seed: number;
}

/** Where a server listens: a path, or an IP address in numbers. */
export interface NativeListenAddress {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  /** A socket that listens already, instead of these. */
  readonly inherited?: number;
}

/** For numbers, 0 is no limit. */
export interface NativeNbdServerOptions {
  readonly maxConnections: number;
  readonly handshakeNs: number;
  /** 0: none; 1: for those who want it; 2: for all. */
  readonly tls: number;
  readonly asksAdmission: boolean;
}

/** What a client waits for: its handshake of TLS, or whether it may use an export. */
export interface NativeNbdQuestion {
  /** Its number in its server. */
  readonly client: number;
  readonly secures: boolean;
  readonly exportName: string;
  /** For TLS: its socket, which is lib/'s to close. */
  readonly socket?: number;
  readonly host?: string;
  readonly port?: number;
  readonly pid?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Sizes in bytes. */
export interface NativeNbdExportOptions {
  readonly name: string;
  readonly description: string;
  readonly size: number;
  /** The protocol's transmission flags. */
  readonly flags: number;
  readonly minBlock: number;
  readonly maxBlock: number;
  readonly allocationDepth: boolean;
  readonly bitmaps: readonly string[];
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
  readonly flush: () => number;
  /**
   * Runs the last written request (its slot is -1; its vector descriptors included) synchronously,
   * after those before it were handed over. Returns its result; Header.syncNode names the node.
   */
  readonly runSync: () => number;

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
  /** IOThread: waits for its thread. */
  contextSetPollMax(context: Handle, ns: number): void;
  /** IOThread: waits for its thread. */
  contextWriteInPlace(context: Handle): void;
  /** Virtual home: moves the clock by `ns`, running whatever becomes due on the way. */
  contextAdvance(context: Handle, ns: number): void;

  /** Completes on `slot` with the node's handle, or an errno and a report. */
  nodeOpen(
    slot: number,
    context: Handle,
    node: NativeNodeOptions,
    options: NativeDriverOptions,
    children: readonly NativeChild[],
  ): void;
  /** Completes on `slot`. The handle is stale from the call on. */
  nodeClose(slot: number, node: Handle): void;
  nodeInfo(node: Handle): NativeNodeInfo;
  /** What a section waits for: requests, and hooks of the driver that have not run yet. */
  nodeInFlight(node: Handle): number;
  nodeQuiesce(node: Handle, begin: boolean): void;

  /**
   * Where an edge leads and what it grants; child 0: the edge goes. Permissions alone may change at
   * any time and take effect in order with requests; the rest is EBUSY unless the parent is quiesced
   * with nothing in flight.
   */
  nodeSetChild(
    node: Handle,
    key: number,
    role: number,
    child: Handle,
    permissions: number,
    shared: number,
  ): number;
  nodeSetState(node: Handle, state: NativeNodeState): void;
  /**
   * Phase one of a permission change: acquires what the sum of all users needs beyond what is held.
   * 0, or why not. Every node that was checked is settled afterwards.
   */
  nodeCheckPermissions(node: Handle, permissions: number, shared: number): number | NativeFailure;
  /** Phase two: gives up what is no longer needed, or all that the check acquired. */
  nodeSettlePermissions(node: Handle, commit: boolean): void;
  /** Completes on `slot`: limits and length anew, after a change below. */
  nodeRefresh(slot: number, node: Handle): void;
  /** Completes on `slot`. */
  nodeFlush(slot: number, node: Handle): void;
  /** Completes on `slot` with bytes. */
  nodeAllocatedSize(slot: number, node: Handle): void;
  /** Completes on `slot`. EBUSY unless quiesced with nothing in flight. */
  nodeCommit(slot: number, node: Handle): void;
  /** Completes on `slot`. */
  nodeInactivate(slot: number, node: Handle): void;
  /** Completes on `slot`. */
  nodeInvalidate(slot: number, node: Handle): void;
  /** Completes on `slot`: everything that can fail. Then nodeReopenSettle(). */
  nodeReopenPrepare(
    slot: number,
    node: Handle,
    options: NativeDriverOptions,
    readOnly: boolean,
    wantsWrite: boolean,
  ): void;
  /** EBUSY unless quiesced with nothing in flight. */
  nodeReopenSettle(node: Handle, commit: boolean): number;
  /** A driver's own controls; ENOTSUP where it has none. */
  nodeControl(node: Handle, command: string, argument: string): number;
  /** EBUSY unless all are quiesced with nothing in flight. */
  graphMove(nodes: readonly Handle[], backends: readonly Handle[], context: Handle): number;

  /** Completes on `slot`: a new image, by the driver's own means; ENOTSUP where it has none. */
  imageCreate(slot: number, context: Handle, driver: string, options: NativeDriverOptions): void;
  /** Completes on `slot`. */
  imageDelete(slot: number, context: Handle, driver: string, options: NativeDriverOptions): void;

  backendCreate(context: Handle): Handle;
  /** EBUSY unless nothing is in flight or parked. */
  backendDestroy(backend: Handle): number;
  backendSetRoot(backend: Handle, node: Handle, permissions: number, shared: number): number;
  backendSetFlag(backend: Handle, flag: number, value: boolean): void;
  backendQuiesce(backend: Handle, begin: boolean): void;
  backendInfo(backend: Handle): NativeBackendInfo;
  /** Of the medium, in bytes, without asking its home; 0 without a medium. */
  backendLength(backend: Handle): number;
  /** What a section waits for: requests, and begins that its home has not seen yet. */
  /** Requests. */
  backendInFlight(backend: Handle): number;
  /** What a section waits for: those, and begins of sections on their way to its home. */
  backendBusy(backend: Handle): number;
  /** 0: none. EBUSY while something may wait, EXDEV when other members have another clock. */
  backendSetGroup(backend: Handle, group: Handle): number;
  backendThrottleInfo(backend: Handle): NativeLanes;
  /** The same of a node whose driver throttles. */
  nodeSetGroup(node: Handle, group: Handle): number;
  nodeThrottleInfo(node: Handle): NativeLanes;

  throttleGroupCreate(): Handle;
  /** EBUSY while it has members. */
  throttleGroupDestroy(group: Handle): number;
  /** Six times average, maximum and burst length, then the operation size. */
  throttleGroupConfigure(group: Handle, numbers: readonly number[]): number;
  throttleGroupInfo(group: Handle): NativeThrottleGroupInfo;
  /** Every parked request completes with `errno` (negative). */
  backendAbortParked(backend: Handle, errno: number): void;
  /** What the owner counts in flight then; EINVAL: one less than none. */
  backendCount(backend: Handle, delta: 1 | -1): number;
  /** How many plugs there are then; EINVAL: an unplug without a plug. */
  backendPlug(backend: Handle, plug: boolean): number;

  /** A copy of its statistics, made without asking its home. */
  backendStats(backend: Handle): NativeBackendStats;
  /** Now, in ns since the backend was made, by the clock of its context. */
  backendAccountTime(backend: Handle): number;
  /** AccountEvent; `amount` is bytes, or requests that were merged; `start` as above. */
  backendAccount(backend: Handle, event: number, type: number, amount: number, start: number): void;
  /** undefined keeps what is set. */
  backendAccountSetup(
    backend: Handle,
    accountInvalid: boolean | undefined,
    accountFailed: boolean | undefined,
  ): void;
  backendAddInterval(backend: Handle, seconds: number): void;
  /** 0 or a negative errno; no bounds: no histogram any more. */
  backendSetHistogram(backend: Handle, type: number, bounds: readonly number[]): number;
  /** In order with requests. */
  nodeSetWriteThreshold(node: Handle, bytes: number): number;
  /** 0 or EEXIST, ENOMEM; granularity 0 is the default. Like those below in order with requests. */
  nodeBitmapAdd(node: Handle, name: string, granularity: number, recording: boolean): number;
  /** These are 0 or ENOENT. */
  nodeBitmapRemove(node: Handle, name: string): number;
  nodeBitmapClear(node: Handle, name: string): number;
  nodeBitmapRecord(node: Handle, name: string, recording: boolean): number;
  nodeBitmapMerge(node: Handle, name: string, other: string): number;
  nodeBitmaps(node: Handle): readonly NativeDirtyBitmap[];
  takeWriteThresholdEvents(): readonly NativeThresholdEvent[];

  /** Asks that the request on `slot` leave the queue; ECANCELED on the slot if it was parked. */
  cancel(slot: number, generation: number): void;
  /** The report of a failed control request or truncate; undefined if the slot has none. */
  takeReport(slot: number): NativeFailure | undefined;

  /** Zeroed, page-aligned memory as one ArrayBuffer. */
  regionCreate(bytes: number): { id: number; buffer: ArrayBuffer } | NativeFailure;
  /** Makes a SharedArrayBuffer's memory known; `view` covers all of it. */
  regionShare(view: Uint8Array): number;
  regionRelease(id: number): void;

  /** In the main context `main`. */
  nbdServerCreate(main: Handle, options: NativeNbdServerOptions): Handle;
  /** Completes on `slot` with the port; 0 for a path. */
  nbdServerListen(slot: number, server: Handle, main: Handle, address: NativeListenAddress): void;
  /** What clients ask and nobody has taken yet. */
  nbdQuestions(server: Handle): readonly NativeNbdQuestion[];
  /** 0 or a negative errno for the client; ESRCH when it waits no more. */
  nbdAnswer(server: Handle, client: number, error: number): number;
  /** The socket of what the client says in plain, or a negative errno: ESRCH as above. */
  nbdAnswerSecured(server: Handle, client: number): number;
  /** Where a socket is. */
  socketPlace(fd: number): { path?: string; host?: string; port?: number };
  nbdServerInfo(server: Handle): { connections: number; accepted: number };
  /** Completes on `slot` when nobody is connected any more. The handle is stale at once. */
  nbdServerClose(slot: number, server: Handle, main: Handle): void;
  /** Its handle, or a negative errno: EEXIST for a name that the server has. */
  nbdExportAdd(server: Handle, backend: Handle, options: NativeNbdExportOptions): number;
  nbdExportInfo(item: Handle): { clients: number };
  /** Hangs its clients up; completes on `slot` when they are gone. The handle is stale at once. */
  nbdExportRemove(slot: number, item: Handle, main: Handle): void;
  /** As often as it is on, Node's loop does not end. */
  keepAlive(on: boolean): void;

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
