import { type HostFeatures, hostFeatures as probeHost } from './aio/host-features.js';
import { builtinDrivers } from './drivers/index.js';
import type { DrainSection } from './graph/drain.js';
import { registerDrivers } from './graph/driver-definition.js';
import { graph } from './graph/graph.js';
import { useMachineQuiesce } from './graph/run-state.js';
import { quiesceMachine } from './monitor/quiesce-machine.js';
import { native } from './native.js';

registerDrivers(builtinDrivers);
useMachineQuiesce(() => quiesceMachine());

export {
  Accounting,
  AccountingCookie,
  type AccountingSettings,
  type AccountingSetup,
  type AccountingType,
  type OnOffAuto,
} from './accounting/accounting.js';
export type {
  BlockDeviceStats,
  BlockDeviceTimedStats,
  BlockLatencyHistogramInfo,
} from './accounting/block-stats.js';
export {
  type AioChoice,
  AioContext,
  type AioContextInfo,
  type AioContextOptions,
  type AioHome,
  type SimOptions,
} from './aio/context.js';
export type { HostFeatures } from './aio/host-features.js';
export type { RequestCallback } from './aio/slots.js';
export type { AioForms, AioRequest } from './backend/aio-forms.js';
export type { ByteCount } from './backend/arguments.js';
export type { BlockSizeConf, BlockSizes, DeviceBlockSizes } from './backend/block-sizes.js';
export type { Allocation, AllocationDepth, BlockStatus } from './backend/block-status.js';
export type { CopyTarget } from './backend/copy-target.js';
export type { LegacyDriveInfo } from './backend/device.js';
export type { DiskGeometry } from './backend/device-forms.js';
export type {
  BlockDeviceIoStatus,
  BlockdevOnError,
  BlockErrorAction,
  ErrorPolicy,
  ErrorPolicyFunction,
  ErrorPolicySettings,
  FailedRequest,
} from './backend/error-policy.js';
export type { DeviceConf } from './backend/errors.js';
export type { AboveOptions, BlockStatusOptions, MakeZeroOptions } from './backend/image-forms.js';
export type { OpenFlag, RootState } from './backend/medium.js';
export type {
  CopyOptions,
  PreallocationMode,
  RequestOptions,
  TruncateOptions,
  WriteOptions,
  ZeroOptions,
} from './backend/options.js';
export type { Plugged } from './backend/owner-counts.js';
export type { DevicePermissions } from './backend/permissions.js';
export type { BackendInfo, BackendSettings } from './backend/settings.js';
export type { SgDirection, SgIoCommand, SgIoResult } from './backend/sg-io.js';
export { BlockBackend } from './block-backend.js';
export { createDrive, type DriveOptions } from './drive.js';
export { Blkdebug, blkdebug } from './drivers/blkdebug-control.js';
export { BLKDEBUG_EVENTS, type BlkdebugEvent } from './drivers/blkdebug-rules.js';
export { type WriteLogState, writeLogState } from './drivers/blklogwrites.js';
export { type Verification, verification } from './drivers/blkverify.js';
export {
  Probe,
  type ProbeCounters,
  type ProbeEvent,
  type ProbeFailure,
  type ProbeHook,
  type ProbeLimits,
  probe,
} from './drivers/probe.js';
export { throttleNodeInfo } from './drivers/throttle.js';
export {
  type ReplayOptions,
  type ReplayResult,
  readWriteLog,
  replayWriteLog,
  WriteLog,
  type WriteLogEntry,
} from './drivers/write-log.js';
export { PROBE_LIMITS, type ProbeLimit } from './drivers/x-probe.js';
export { ProbeJob, type ProbeJobOptions } from './drivers/x-probe-job.js';
export { AbortError, BlockError, BlockUsageError } from './errors/block-error.js';
export {
  type ExportRemoveMode,
  NbdExport,
  type NbdExportInfo,
} from './exports/nbd-export.js';
export type { NbdAuthorize, NbdClient } from './exports/nbd-gatekeeper.js';
export type { NbdAddress, NbdExportOptions, NbdServerSettings } from './exports/nbd-options.js';
export { NbdServer } from './exports/nbd-server.js';
export type { NbdTlsClient, NbdTlsSettings } from './exports/nbd-tls.js';
export {
  type BlockEvents,
  type BlockExportDeletedEvent,
  type BlockIoErrorEvent,
  type BlockWriteThresholdEvent,
  blockEvents,
  type DeviceTrayMovedEvent,
} from './graph/block-events.js';
export type { BlockDevOps } from './graph/device-ops.js';
export type { BlockDirtyInfo, DirtyBitmapSettings, DirtyBitmaps } from './graph/dirty-bitmaps.js';
export type { DrainSection } from './graph/drain.js';
export { type DrawingFormat, drawGraph } from './graph/draw/draw.js';
export type { ImageMeasures } from './graph/driver-definition.js';
export {
  type ChildRoleName,
  type GraphDump,
  type GraphDumpBackend,
  type GraphDumpEdge,
  type GraphDumpNode,
  type GraphDumpParent,
  graphDump,
} from './graph/dump.js';
export type { ImageOptions } from './graph/image-options.js';
export { type TopLevelNodes, topLevelNodes } from './graph/iteration.js';
export { lookupNode } from './graph/lookup.js';
export type { BlockNode, BlockNodeInfo } from './graph/node.js';
export type { DetectZeroes } from './graph/node-state.js';
export type { BlockOperation, BlockReason } from './graph/op-blockers.js';
export type { BlockdevOptions, CacheOptions, CommonOptions } from './graph/options.js';
export type { PermissionName } from './graph/permissions.js';
export { RunState, type RunStateHandler, type RunStateName } from './graph/run-state.js';
export { METRICS_CONTENT_TYPE, metrics } from './metrics/metrics.js';
export type { BlockDeviceInfo, BlockdevCacheInfo } from './monitor/block-device-info.js';
export {
  type BlockExportAddArguments,
  type BlockExportDelArguments,
  blockExportAdd,
  blockExportDel,
  type NbdServerStartArguments,
  nbdServerStart,
  nbdServerStop,
  queryBlockExports,
} from './monitor/block-export.js';
export {
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  blockdevSnapshot,
  xBlockdevChange,
} from './monitor/blockdev.js';
export { commitAll } from './monitor/commit.js';
export {
  type BlockdevCreateOptions,
  blockdevCreate,
  type CreateOptions,
  createImage,
  deleteImage,
} from './monitor/create.js';
export type { DeviceArgument } from './monitor/device-argument.js';
export {
  type BlockDirtyBitmap,
  type BlockDirtyBitmapAdd,
  type BlockDirtyBitmapMerge,
  blockDirtyBitmapAdd,
  blockDirtyBitmapClear,
  blockDirtyBitmapDisable,
  blockDirtyBitmapEnable,
  blockDirtyBitmapMerge,
  blockDirtyBitmapRemove,
} from './monitor/dirty-bitmap.js';
export { blockEventStream, type EventStreamOptions } from './monitor/event-stream.js';
export { flushAll } from './monitor/flush-all.js';
export {
  activateAll,
  activateNode,
  allocatedSize,
  appendNode,
  type DrainNodeOptions,
  drainedNode,
  dropFilter,
  dropIntermediate,
  freezeBackingChain,
  inactivateAll,
  type NodeReference,
  replaceNode,
  setBackingFile,
  setRunState,
  thawBackingChain,
} from './monitor/graph-operations.js';
export { type InfoBlockOptions, infoBlock } from './monitor/hmp/info-block.js';
export { infoBlockstats } from './monitor/hmp/info-blockstats.js';
export type { ImageInfo } from './monitor/image-info.js';
export {
  type BlockIoThrottle,
  blockSetIoThrottle,
  type IoThrottleInfo,
  ioThrottleInfo,
} from './monitor/io-throttle.js';
export {
  blockLatencyHistogramSet,
  type LatencyHistogramArguments,
} from './monitor/latency-histogram-set.js';
export { measureImage } from './monitor/measure.js';
export {
  blockdevChangeMedium,
  blockdevCloseTray,
  blockdevInsertMedium,
  blockdevOpenTray,
  blockdevRemoveMedium,
  type ChangeMediumArguments,
  eject,
  type InsertMediumArguments,
  type OpenTrayArguments,
} from './monitor/media.js';
export type { MediumOptions, ReadOnlyMode } from './monitor/medium-image.js';
export type { ObjectPropertyInfo } from './monitor/objects/object-type.js';
export {
  type ObjectOptions,
  objectAdd,
  objectDel,
  qomGet,
  qomList,
  qomSet,
} from './monitor/objects/objects.js';
export { type BlockActivity, queryBlockActivity } from './monitor/query-activity.js';
export { type BlockInfo, queryBlock } from './monitor/query-block.js';
export {
  type XDbgBlockGraph,
  type XDbgBlockGraphEdge,
  type XDbgBlockGraphNode,
  xDebugQueryBlockGraph,
} from './monitor/query-block-graph.js';
export {
  type BlockStats,
  type BlockStatsOptions,
  type BlockStatsSpecific,
  queryBlockstats,
} from './monitor/query-blockstats.js';
export {
  type NamedBlockNodesOptions,
  queryNamedBlockNodes,
} from './monitor/query-named-block-nodes.js';
export { blockResize, type ResizeArguments } from './monitor/resize.js';
export { cont, queryStatus, type StatusInfo, stop } from './monitor/run.js';
export {
  type SetIothreadArguments,
  type SetIothreadOptions,
  xBlockdevSetIothread,
} from './monitor/set-iothread.js';
export {
  setThrottleGroupProperty,
  type ThrottleGroupProperties,
  throttleGroupProperties,
} from './monitor/throttle-group-properties.js';
export { blockSetWriteThreshold, type WriteThresholdArguments } from './monitor/write-threshold.js';
export type { OutputSink } from './qemu-io/command.js';
export { runQemuIoCommand } from './qemu-io/qemu-io.js';
export { type Command, command, type Monitor } from './qmp/command.js';
export { QmpError, type QmpErrorClass } from './qmp/errors.js';
export type { ListenAddress } from './qmp/listener.js';
export * as qapi from './qmp/schema/type.js';
export { QmpServer, type QmpServerOptions } from './qmp/server.js';
export type { SessionOptions } from './qmp/session.js';
export type { Bucket, CompleteLimits, ThrottleLimits } from './throttle/limits.js';
export {
  type BucketInfo,
  ThrottleGroup,
  type ThrottleGroupInfo,
} from './throttle/throttle-group.js';
export type { ThrottledInfo, ThrottleInfo, ThrottleLaneInfo } from './throttle/throttle-info.js';

/** The version of the package. */
export const version: string = native.version;

/** What this host offers: engine, reason, ring flags, kernel. Found by trying, once per process. */
export function hostFeatures(): HostFeatures {
  return probeHost(native);
}

/**
 * A drained section over all nodes and all backends of this environment, those without a medium
 * included: like {@link BlockBackend.drained}. (bdrv_drain_all_begin)
 */
export async function drainedAll(): Promise<DrainSection> {
  const section = graph().drainAll();
  await section.quiet();
  return section;
}
export type { QmpEvent } from './monitor/qmp-event.js';
